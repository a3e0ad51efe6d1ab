import M2FPFiles
import M2FPResults
import SystemPackage

/// Something in a folder that was searched which is not parsed.
public struct LeftOut: Sendable, Equatable {
  public let path: FilePath
  /// The same below the folder that was named.
  let relativePath: FilePath
  public let kind: Kind

  /// What it is, as far as its name, or what it is in the file system, tells.
  public enum Kind: Hashable, Sendable {
    /// A symbolic link that is not followed.
    case link
    /// What a system or a storage device keeps for itself.
    case system
    /// An editor's backup, or a download that has not ended.
    case unfinished
    case video
    case cameraRaw
    /// Neither a file nor a folder, nor a link to one.
    case special
    /// An export or a sheet of an earlier run, with all that its folder holds.
    case export
    /// None of these, by its suffix, in lower case with the dot.
    case suffix(String)
    case withoutSuffix
    /// Of more kinds than are told apart.
    case other

    /// A stable name, for programs and people.
    public var name: String {
      switch self {
      case .link: "symbolic link"
      case .system: "system"
      case .unfinished: "unfinished"
      case .video: "video"
      case .cameraRaw: "camera raw"
      case .special: "special"
      case .export: "export"
      case .suffix(let suffix): suffix
      case .withoutSuffix: "without suffix"
      case .other: "other"
      }
    }
  }
}

extension LeftOut.Kind {
  /// The kind of a file that is no photo, by its name.
  init(fileName name: [UInt8]) {
    let lowercased = String(decoding: name, as: UTF8.self).lowercased()
    let dot = lowercased.lastIndex(of: ".")
    let suffix = dot.map { String(lowercased[lowercased.index(after: $0)...]) } ?? ""
    if Self.systemNames.contains(lowercased) {
      self = .system
    } else if Self.unfinishedEndings.contains(where: lowercased.hasSuffix) {
      self = .unfinished
    } else if Self.videoSuffixes.contains(suffix) {
      self = .video
    } else if Self.rawSuffixes.contains(suffix) {
      self = .cameraRaw
    } else if (1...8).contains(suffix.utf8.count),
      suffix.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }),
      suffix.contains(where: \.isLetter)
    {
      self = .suffix("." + suffix)
    } else {
      self = .withoutSuffix
    }
  }

  /// Whether a file of this kind may be a photo all the same, by what is in it.
  var mayHoldPhoto: Bool {
    switch self {
    case .suffix, .withoutSuffix: true
    // A raw begins as a TIFF, and would be parsed by its thumbnail.
    case .link, .system, .unfinished, .video, .cameraRaw, .special, .export, .other: false
    }
  }

  /// Whether a folder of this name holds nothing of the user's own.
  static func isSystemFolder(_ name: [UInt8]) -> Bool {
    systemNames.contains(String(decoding: name, as: UTF8.self).lowercased())
  }

  // docs/inputs.md lists these four.
  private static let systemNames: Set<String> = [
    "@eadir", "#recycle", "@recycle", "$recycle.bin", "lost+found", "system volume information",
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini",
  ]
  private static let unfinishedEndings = [
    "~", ".bak", ".old", ".orig", "_original", ".part", ".partial", ".crdownload", ".download",
    ".tmp",
  ]
  private static let videoSuffixes: Set<String> = [
    "3gp", "avi", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "webm", "wmv",
  ]
  private static let rawSuffixes: Set<String> = [
    "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
  ]
}

/// How much was left out, by kind.
public struct LeftOutCounts: Sendable, Equatable {
  public private(set) var counts: [LeftOut.Kind: Int] = [:]

  /// Files may end in anything.
  private static let mostKinds = 50

  public init() {}

  public mutating func add(_ kind: LeftOut.Kind) {
    let isNew = counts[kind] == nil
    counts[isNew && counts.count >= Self.mostKinds ? .other : kind, default: 0] += 1
  }

  public var total: Int { counts.values.reduce(0, +) }

  /// The most of a kind first.
  ///
  /// - Parameter kinds: How many kinds are named; the others are counted together.
  /// - Returns: "3 video, 2 .psd, 1 without suffix".
  public func text(naming kinds: Int = 5) -> String {
    let named = counts.filter { $0.key != .other }
      .sorted { ($1.value, $0.key.name) < ($0.value, $1.key.name) }.prefix(kinds)
    var parts = named.map { kind, count in
      "\(count) \(kind.name)" + (kind == .link && count > 1 ? "s" : "")
    }
    let others = total - named.reduce(0) { $0 + $1.value }
    if others > 0 { parts.append("\(others) other") }
    return parts.joined(separator: ", ")
  }
}
