import Dispatch
import Synchronization

/// Threads that work on one image together, each with memory of its own.
///
/// They are Dispatch's: started when they are first wanted, gone when idle for long, and where fewer
/// come than were asked for, those that come do it all. A team of one is the caller's thread alone.
struct ThreadTeam<Memory: AnyObject> {
  private let memories: [Memory]

  /// - Parameters:
  ///   - threads: At least 1, the caller's included.
  ///   - makeMemory: Makes the memory of one thread.
  init(threads: Int, makeMemory: () -> Memory) {
    precondition(threads > 0, "a team has a thread")
    memories = (0..<threads).map { _ in makeMemory() }
  }

  /// Has all threads do some work, and returns when it is done.
  ///
  /// - Parameters:
  ///   - count: How many pieces the work has.
  ///   - size: Pieces that a thread takes at a time; one that is alone takes all.
  ///   - body: Called once on each thread that finds work left, with its memory and the shares that
  ///     are to be taken, in ascending order, until there are none. It writes only to that memory and
  ///     to what belongs to the pieces it has taken.
  func forEachChunk(_ count: Int, chunksOf size: Int, _ body: (Memory, Chunks) -> Void) {
    if memories.count == 1 { return body(memories[0], Chunks(count, size: count)) }
    let shares = Chunks(count, size: size)
    withoutActuallyEscaping(body) { body in
      // The threads write to disjoint parts of one map through pointers, which the compiler cannot
      // see; a memory is used by one of them at a time.
      nonisolated(unsafe) let (memories, body) = (memories, body)
      DispatchQueue.concurrentPerform(iterations: min(memories.count, shares.number)) { index in
        if !shares.areTaken { body(memories[index], shares) }
      }
    }
  }

  /// Transforms values one by one; the results are in their order.
  func map<Value, Result>(_ values: [Value], _ transform: (Memory, Value) -> Result) -> [Result] {
    [Result](unsafeUninitializedCapacity: values.count) { buffer, initialized in
      let results = buffer
      forEachChunk(values.count, chunksOf: 1) { memory, shares in
        for index in shares.joined() {
          results.initializeElement(at: index, to: transform(memory, values[index]))
        }
      }
      initialized = values.count
    }
  }
}

/// The pieces of some work that no thread has taken yet.
final class Chunks: Sequence, IteratorProtocol, Sendable {
  private let count: Int
  private let size: Int
  private let taken = Atomic<Int>(0)

  fileprivate init(_ count: Int, size: Int) {
    self.count = count
    self.size = size
  }

  fileprivate var number: Int { count == 0 ? 0 : (count + size - 1) / size }

  fileprivate var areTaken: Bool { taken.load(ordering: .relaxed) >= count }

  /// Takes the next share.
  func next() -> Range<Int>? {
    let start = taken.wrappingAdd(size, ordering: .relaxed).oldValue
    return start < count ? start..<Swift.min(start + size, count) : nil
  }
}
