import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// One of N parts of a set of files, which N processes can do at the same time.
///
/// A file's position is the first four bytes of the SHA-256 of its relative path, read as a
/// big-endian number; shard I of N has the I-th of N equal parts of all positions. It depends on
/// nothing else, so that every machine agrees, whatever other files there are.
public struct Shard: Sendable, Equatable {
  /// The number of positions.
  public static let positions = 1 << 32

  /// 1 ... count.
  public let index: Int
  public let count: Int

  /// - Returns: nil unless `index` is in 1 ... `count` and `count` in 1 ... 1,000,000.
  public init?(_ index: Int, of count: Int) {
    guard (1...1_000_000).contains(count), (1...count).contains(index) else { return nil }
    self.index = index
    self.count = count
  }

  /// The shard's positions.
  public var range: Range<Int> {
    // Rounded up, so that position p is in shard p × count / 2³² + 1, rounded down.
    func start(_ part: Int) -> Int { (part * Self.positions + count - 1) / count }
    return start(index - 1)..<start(index)
  }

  /// Whether the file at `relativePath` belongs to the shard.
  public func contains(_ relativePath: FilePath) -> Bool {
    range.contains(Self.position(relativePath))
  }

  /// The position of a relative path, 0 ..< ``positions``.
  static func position(_ relativePath: FilePath) -> Int {
    relativePath.withBytes { bytes in
      SHA256.digest(of: bytes).prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }
  }
}

extension Shard {
  /// The shard that Slurm's job array gives this process.
  ///
  /// - Parameter environment: With `SLURM_ARRAY_TASK_ID`, `_MIN`, `_MAX`, `_COUNT` and `_STEP`.
  /// - Returns: The shard of the task; its index counts the array's tasks from 1.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/usage``, which says what is missing.
  public static func slurm(_ environment: [String: String]) throws(RunFailure) -> Shard {
    func number(_ name: String) throws(RunFailure) -> Int {
      guard let text = environment[name] else {
        throw RunFailure(
          .usage,
          "\(name), which tells the shard of a job array, is not set", detail: .noJobArray)
      }
      guard let number = Int(text), number >= 0 else {
        throw RunFailure(.usage, "\(name) is '\(text)', not a number")
      }
      return number
    }
    let (id, count) = (try number("SLURM_ARRAY_TASK_ID"), try number("SLURM_ARRAY_TASK_COUNT"))
    let (first, last) = (try number("SLURM_ARRAY_TASK_MIN"), try number("SLURM_ARRAY_TASK_MAX"))
    let step = count > 1 ? (last - first) / (count - 1) : 1
    let index = step > 0 ? (id - first) / step + 1 : 0
    guard step > 0, first + (count - 1) * step == last, first + (index - 1) * step == id,
      let shard = Shard(index, of: count)
    else {
      throw RunFailure(
        .usage,
        "the job array's tasks (\(first) to \(last), \(count) of them) are not evenly spaced, so "
          + "that task \(id) tells no shard", detail: .unevenJobArray)
    }
    return shard
  }
}
