import CPostprocess
import Foundation
import TestSupport
import Testing

@testable import M2FPCore

/// The kernels that look at whole patches, on arrays that end where the header says they may.
@Suite(.serialized) struct PatchKernelTests {
  /// Pictures that are much larger than the content of the network's input: their first patch is half
  /// as wide again as the others and the last is half as wide, so that places in the one are none in
  /// the other.
  private static let sizes = [(2, 7), (6, 660), (7, 700), (16, 1760), (17, 1870), (40, 4400)]

  /// Of a random band: how many pixels are above zero, and in which columns they lie.
  @Test(arguments: sizes, [false, true])
  func tallyReadsNothingPastTheEnd(size: (content: Int, image: Int), plain: Bool) throws {
    m2fp_post_use_plain_kernels(plain ? 1 : 0)
    defer { m2fp_post_use_plain_kernels(0) }
    var axis = PatchAxis()
    axis.prepare(content: size.content, image: size.image)
    let lanes = Int(M2FP_POST_LANES)
    let first = try GuardedArray(axis.patches.first, count: size.content + 1 + lanes)
    let positions = try GuardedArray(axis.patches.position, count: size.image + lanes)
    let all = axis.patches
    let planes = try [all.node_0, all.node_1, all.weight_0, all.weight_1].map {
      try GuardedArray($0, count: size.content + lanes)
    }
    var patches = m2fp_post_patches(
      first: first.start, position: positions.start, node_0: planes[0].start,
      node_1: planes[1].start, weight_0: planes[2].start, weight_1: planes[3].start)
    var band = axis.band(0)
    var generator = SplitMix64(seed: UInt64(size.image))
    for _ in 0..<5 {
      let rows = (0..<2).map { _ in
        (0..<(size.content + 1 + lanes)).map { _ in Float.random(in: -9...9, using: &generator) }
      }
      let top = try GuardedArray(rows[0], count: rows[0].count)
      let bottom = try GuardedArray(rows[1], count: rows[1].count)
      var tally = m2fp_post_tally.empty
      m2fp_post_tally_patches(
        &patches, &band, top.start, bottom.start, 0, Int32(size.content), &tally)

      var columns: Set<Int32> = []
      var count: Int64 = 0
      for patch in 0..<size.content {
        for x in first.start[patch]..<first.start[patch + 1] {
          let u = positions.start[Int(x)]
          let upper = (1 - u) * rows[0][patch] + u * rows[0][patch + 1]
          let lower = (1 - u) * rows[1][patch] + u * rows[1][patch + 1]
          for row in 0..<Int(band.rows) {
            let v = band.position[row]
            guard upper * (1 - v) + lower * v > 0 else { continue }
            count += 1
            columns.insert(x)
          }
        }
      }
      #expect(tally.count == count)
      if let left = columns.min(), let right = columns.max() {
        #expect(tally.first == left && tally.last == right)
      }
    }
  }
}

/// An array behind which lies a page that must not be touched.
private final class GuardedArray<Element: BitwiseCopyable> {
  let start: UnsafePointer<Element>
  private let mapping: UnsafeMutableRawPointer
  private let size: Int

  convenience init(_ elements: [Element], count: Int) throws {
    let copy = UnsafeMutablePointer<Element>.allocate(capacity: count)
    defer { copy.deallocate() }
    copy.initialize(from: elements, count: count)
    try self.init(UnsafePointer(copy), count: count)
  }

  init(_ elements: UnsafePointer<Element>, count: Int) throws {
    let page = Int(getpagesize())
    let bytes = count * MemoryLayout<Element>.stride
    let whole = (bytes + page - 1) / page * page
    size = whole + page
    let protection = PROT_READ | PROT_WRITE
    let mapped = mmap(nil, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    mapping = try #require(mapped != MAP_FAILED ? mapped : nil)
    try #require(mprotect(mapping + whole, page, PROT_NONE) == 0)
    let target = (mapping + whole - bytes).bindMemory(to: Element.self, capacity: count)
    target.update(from: elements, count: count)
    start = UnsafePointer(target)
  }

  deinit { munmap(mapping, size) }
}
