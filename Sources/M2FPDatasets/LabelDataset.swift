import Glibc
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// A folder of label maps, in one of the layouts that data sets, challenges and m2fp itself use.
public struct LabelDataset: Sendable {
  /// How a folder is laid out.
  public enum Layout: String, Sendable {
    /// What m2fp writes: `photo.m2fp.png`, and with persons `photo.m2fp.persons.png`.
    case m2fp = "m2fp outputs"
    /// CIHP's ground truth: `Category_ids/`, `Instance_ids/`, `Human_ids/`.
    case cihp = "CIHP"
    /// LIP's ground truth: `val_segmentations/`.
    case lip = "LIP"
    /// What the LIP and CIHP challenges take: `global_parsing/`, `instance_parsing/`.
    case challenge = "LIP/CIHP challenge"
    /// What M2FP's published evaluator writes: `semantic/`, `part/`, `human/`.
    case published = "M2FP evaluator"
    /// PNG label maps, in folders or not.
    case plain = "plain folder"
  }

  /// The files of one image.
  struct Files: Sendable {
    let labels: FilePath
    var parts: FilePath?
    /// The classes, and for predictions the scores, of the parts.
    var partList: FilePath?
    var persons: FilePath?
    /// The scores of the persons.
    var personList: FilePath?
  }

  public let layout: Layout
  /// Where the label maps lie.
  public let folder: FilePath
  /// The images by name: the path of the label map below ``folder``, without its suffix.
  let files: [FilePath: Files]

  /// The names of all images, sorted.
  public var names: [FilePath] {
    files.keys.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }
  /// Whether parts are told apart by person in any image; m2fp's own follow from the persons.
  public var hasParts: Bool {
    layout == .m2fp ? hasPersons : files.values.contains { $0.parts != nil }
  }
  /// Whether persons are told apart in any image.
  public var hasPersons: Bool { files.values.contains { $0.persons != nil } }

  /// Finds out how `folder` is laid out and lists its images.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput`` if there is no label map.
  public init(_ folder: FilePath) throws(RunFailure) {
    guard Self.isFolder(folder) else {
      throw RunFailure(.noInput, "\(folder): no such folder")
    }
    (layout, self.folder, files) = try Self.recognised(folder)
    if files.isEmpty {
      throw RunFailure(
        .noInput,
        "\(folder): no label map found; wanted are PNG label maps, results of m2fp, or the folders of "
          + "CIHP (Category_ids, Instance_ids, Human_ids), LIP (val_segmentations) or of the "
          + "challenges (global_parsing, instance_parsing)")
    }
  }

  /// The image of this tree that an image of another one is, by its name.
  ///
  /// Names that were made from whole file names (`photo.jpg.m2fp.png`) match those that were not.
  public func match(_ name: FilePath) -> FilePath? {
    if files[name] != nil { return name }
    let stem = Self.withoutImageExtension(name)
    if files[stem] != nil { return stem }
    return names.first { Self.withoutImageExtension($0) == stem }
  }

  private static func recognised(
    _ folder: FilePath
  ) throws(RunFailure) -> (Layout, FilePath, [FilePath: Files]) {
    let folders = [
      folder, folder.appending("Validation"), folder.appending("TrainVal_parsing_annotations"),
    ]
    for root in folders where isFolder(root.appending("Category_ids")) {
      return (
        .cihp, root,
        try flat(root, "Category_ids") { name, files in
          files.parts = existing(root, "Instance_ids", name, ".png")
          files.partList = existing(root, "Instance_ids", name, ".txt")
          files.persons = existing(root, "Human_ids", name, ".png")
        }
      )
    }
    for root in folders where isFolder(root.appending("val_segmentations")) {
      return (.lip, root, try flat(root, "val_segmentations") { _, _ in })
    }
    if isFolder(folder.appending("global_parsing")) {
      return (
        .challenge, folder,
        try flat(folder, "global_parsing") { name, files in
          files.parts = existing(folder, "instance_parsing", name, ".png")
          files.partList = existing(folder, "instance_parsing", name, ".txt")
        }
      )
    }
    if isFolder(folder.appending("semantic")) {
      return (
        .published, folder,
        try flat(folder, "semantic") { name, files in
          files.parts = existing(folder, "part", name, ".png")
          files.partList = existing(folder, "part", name, ".json")
          files.persons = existing(folder, "human", name, ".png")
          files.personList = existing(folder, "human", name, ".json")
        }
      )
    }
    let own = try nested(folder, suffix: ".m2fp.png") { name, files in
      files.persons = existing(folder, "", name, ".m2fp.persons.png")
      files.personList = existing(folder, "", name, ".m2fp.json")
    }
    if !own.isEmpty { return (.m2fp, folder, own) }
    return (.plain, folder, try nested(folder, suffix: ".png") { _, _ in })
  }

  private static func flat(
    _ root: FilePath, _ folder: FilePath, _ complete: (_ name: FilePath, inout Files) -> Void
  ) throws(RunFailure) -> [FilePath: Files] {
    var result: [FilePath: Files] = [:]
    let path = root.appending(folder.components)
    let names = try listing(path) { () throws(Errno) in try OpenFolder(path).allNames() }
    for file in names {
      let bytes = file.bytes
      guard bytes.ends(with: ".png"), bytes.first != UInt8(ascii: ".") else { continue }
      let name = FilePath().appending(name: bytes.dropLast(4))
      var files = Files(labels: path.appending(file))
      complete(name, &files)
      result[name] = files
    }
    return result
  }

  /// Masks lie in photo.m2fp/; what is hidden is not meant.
  private static func nested(
    _ root: FilePath, suffix: String, _ complete: (_ name: FilePath, inout Files) -> Void
  ) throws(RunFailure) -> [FilePath: Files] {
    var result: [FilePath: Files] = [:]
    func walk(_ folder: OpenFolder, _ relative: FilePath) throws(RunFailure) {
      let names = try listing(folder.path) { () throws(Errno) in try folder.allNames() }
      for entry in names {
        let bytes = entry.bytes
        if bytes.first == UInt8(ascii: ".") { continue }
        let below = relative.appending(name: bytes)
        guard let status = folder.status(of: entry) else { continue }
        if status.st_mode & S_IFMT == S_IFDIR {
          if bytes.ends(with: ".m2fp") { continue }
          let next = try listing(folder.path.appending(entry)) { () throws(Errno) in
            try folder.folder(named: entry, making: false)
          }
          try walk(next, below)
        } else if bytes.ends(with: suffix), bytes.count > suffix.utf8.count {
          let name = relative.appending(name: bytes.dropLast(suffix.utf8.count))
          var files = Files(labels: root.appending(below.components))
          complete(name, &files)
          result[name] = files
        }
      }
    }
    try walk(listing(root) { () throws(Errno) in try OpenFolder(root) }, "")
    return result
  }

  private static let imageSuffixes = ImageFormat.fileExtensions.map { "." + $0 }

  /// What is left out of a comparison would make its figures wrong without a word.
  private static func listing<Value>(
    _ folder: FilePath, _ body: () throws(Errno) -> Value
  ) throws(RunFailure) -> Value {
    do throws(Errno) {
      return try body()
    } catch {
      throw RunFailure(
        .noInput, "\(folder): the folder cannot be listed: \(error.reason)", underlying: error)
    }
  }

  private static func withoutImageExtension(_ name: FilePath) -> FilePath {
    let bytes = name.name
    let lower = bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0 }
    for suffix in imageSuffixes
    where lower.ends(with: suffix) && bytes.count > suffix.utf8.count {
      return name.removingLastComponent().appending(name: bytes.dropLast(suffix.utf8.count))
    }
    return name
  }

  private static func existing(
    _ root: FilePath, _ folder: FilePath, _ name: FilePath, _ suffix: String
  ) -> FilePath? {
    let path = root.appending(folder.components).appending(name.components)
      .appending(suffix: suffix)
    return FileStamp(path: path) == nil ? nil : path
  }

  private static func isFolder(_ path: FilePath) -> Bool {
    if case .folder = FileKind(path) { true } else { false }
  }
}
