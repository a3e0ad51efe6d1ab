/// Memory that a worker keeps from image to image; its contents do not survive ``reserve(_:)``.
///
/// It grows to the largest size asked for and stays there, so that steady work allocates nothing.
struct ScratchBuffer<Element: BitwiseCopyable>: ~Copyable {
  private var memory: UnsafeMutableBufferPointer<Element>

  init() {
    memory = UnsafeMutableBufferPointer(start: nil, count: 0)
  }

  deinit {
    memory.deallocate()
  }

  /// At least `count` elements of undefined value, aligned for vectors.
  mutating func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
    if memory.count < count {
      memory.deallocate()
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count * MemoryLayout<Element>.stride, alignment: 64)
      memory = bytes.bindMemory(to: Element.self)
    }
    guard let start = memory.baseAddress else { preconditionFailure("reserve at least one") }
    return start
  }
}
