import TestSupport
import Testing

@testable import M2FPCore

struct LabelPiecesTests {
  /// Pieces by flooding from pixel to pixel: for each pixel the first pixel of its piece.
  private func flooded(
    _ labels: [UInt8], width: Int, groups: [UInt8], atCorners: Bool
  ) -> [Int?] {
    var result = [Int?](repeating: nil, count: labels.count)
    for start in labels.indices where result[start] == nil && groups[Int(labels[start])] != 0 {
      var stack = [start]
      result[start] = start
      while let place = stack.popLast() {
        let (x, y) = (place % width, place / width)
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
          let (i, j) = (x + dx, y + dy)
          guard (0..<width).contains(i), (0..<labels.count / width).contains(j) else { continue }
          let other = j * width + i
          guard atCorners || dx == 0 || dy == 0, result[other] == nil,
            groups[Int(labels[other])] == groups[Int(labels[start])]
          else { continue }
          result[other] = start
          stack.append(other)
        }
      }
    }
    return result
  }

  @Test(arguments: [(1, 1), (1, 40), (50, 1), (17, 13), (40, 33)], [false, true])
  func equalFlooding(size: (width: Int, height: Int), atCorners: Bool) {
    var generator = SplitMix64(seed: UInt64(size.width))
    let (width, stride) = (size.width, size.width + 5)
    for (levels, groups) in [
      (2, [0, 1]), (3, [1, 0, 0]), (4, [0, 1, 2, 3]), (4, [0, 1, 1, 2]), (1, [1]),
    ] {
      let labels = (0..<width * size.height).map { _ in
        UInt8(Int.random(in: 0..<levels, using: &generator))
      }
      let groups = groups.map { UInt8($0) } + [UInt8](repeating: 0, count: 256 - groups.count)
      let padded = Swift.stride(from: 0, to: labels.count, by: width).flatMap {
        labels[$0..<$0 + width] + [UInt8](repeating: 1, count: 5)
      }
      let found = padded.withUnsafeBufferPointer { padded in
        padded.baseAddress.map {
          LabelPieces(
            $0, width: width, height: size.height, stride: stride, groups: groups,
            atCorners: atCorners)
        }
      }
      let expected = flooded(labels, width: width, groups: groups, atCorners: atCorners)
      var pieces = [Int?](repeating: nil, count: labels.count)
      for run in found?.runs ?? [] {
        for x in run.columns { pieces[run.row * width + x] = run.piece }
      }
      // The same division, whatever the pieces are called.
      let firsts = (found?.pieces ?? []).indices.map { pieces.firstIndex(of: $0) }
      #expect(pieces.map { $0.flatMap { firsts[$0] } } == expected)
      for (number, piece) in (found?.pieces ?? []).enumerated() {
        let places = pieces.indices.filter { pieces[$0] == number }
        #expect(piece.pixels == places.count)
        #expect(piece.rows.lowerBound == places.map { $0 / width }.min())
        #expect(piece.rows.upperBound == places.map { $0 / width }.max())
        #expect(piece.columns.lowerBound == places.map { $0 % width }.min())
        #expect(piece.columns.upperBound == places.map { $0 % width }.max())
      }
    }
  }
}
