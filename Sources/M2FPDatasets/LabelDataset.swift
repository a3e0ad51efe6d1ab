import Foundation
import M2FPCore

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
    let labels: String
    var parts: String?
    /// The classes, and for predictions the scores, of the parts.
    var partList: String?
    var persons: String?
    /// The scores of the persons.
    var personList: String?
  }

  public let layout: Layout
  /// Where the label maps lie.
  public let folder: String
  /// The images by name: the path of the label map below ``folder``, without its suffix.
  let files: [String: Files]

  /// The names of all images, sorted.
  public var names: [String] { files.keys.sorted() }
  /// Whether parts are told apart by person in any image; m2fp's own follow from the persons.
  public var hasParts: Bool {
    layout == .m2fp ? hasPersons : files.values.contains { $0.parts != nil }
  }
  /// Whether persons are told apart in any image.
  public var hasPersons: Bool { files.values.contains { $0.persons != nil } }

  /// Finds out how `folder` is laid out and lists its images.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput`` if there is no label map.
  public init(_ folder: String) throws(RunFailure) {
    guard Self.isFolder(folder) else {
      throw RunFailure(.noInput, "\(folder): no such folder")
    }
    (layout, self.folder, files) = Self.recognised(folder)
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
  public func match(_ name: String) -> String? {
    if files[name] != nil { return name }
    let stem = Self.withoutImageExtension(name)
    if files[stem] != nil { return stem }
    return files.keys.filter { Self.withoutImageExtension($0) == stem }.min()
  }

  private static func recognised(_ folder: String) -> (Layout, String, [String: Files]) {
    let folders = [folder, folder + "/Validation", folder + "/TrainVal_parsing_annotations"]
    for root in folders where isFolder(root + "/Category_ids") {
      return (
        .cihp, root,
        flat(root + "/Category_ids") { name, files in
          files.parts = existing("\(root)/Instance_ids/\(name).png")
          files.partList = existing("\(root)/Instance_ids/\(name).txt")
          files.persons = existing("\(root)/Human_ids/\(name).png")
        }
      )
    }
    for root in folders where isFolder(root + "/val_segmentations") {
      return (.lip, root, flat(root + "/val_segmentations") { _, _ in })
    }
    if isFolder(folder + "/global_parsing") {
      return (
        .challenge, folder,
        flat(folder + "/global_parsing") { name, files in
          files.parts = existing("\(folder)/instance_parsing/\(name).png")
          files.partList = existing("\(folder)/instance_parsing/\(name).txt")
        }
      )
    }
    if isFolder(folder + "/semantic") {
      return (
        .published, folder,
        flat(folder + "/semantic") { name, files in
          files.parts = existing("\(folder)/part/\(name).png")
          files.partList = existing("\(folder)/part/\(name).json")
          files.persons = existing("\(folder)/human/\(name).png")
          files.personList = existing("\(folder)/human/\(name).json")
        }
      )
    }
    let own = nested(folder, suffix: ".m2fp.png") { stem, files in
      files.persons = existing(stem + ".m2fp.persons.png")
      files.personList = existing(stem + ".m2fp.json")
    }
    if !own.isEmpty { return (.m2fp, folder, own) }
    return (.plain, folder, nested(folder, suffix: ".png") { _, _ in })
  }

  private static func flat(
    _ folder: String, _ complete: (_ name: String, inout Files) -> Void
  ) -> [String: Files] {
    var result: [String: Files] = [:]
    for file in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where file.hasSuffix(".png") && !file.hasPrefix(".") {
      let name = String(file.dropLast(4))
      var files = Files(labels: folder + "/" + file)
      complete(name, &files)
      result[name] = files
    }
    return result
  }

  private static func nested(
    _ folder: String, suffix: String, _ complete: (_ stem: String, inout Files) -> Void
  ) -> [String: Files] {
    var result: [String: Files] = [:]
    for path in FileManager.default.enumerator(atPath: folder)?.lazy.compactMap({ $0 as? String })
      ?? []
    where path.hasSuffix(suffix) {
      let folders = path.split(separator: "/").dropLast()
      // Masks lie in photo.m2fp/; what is hidden is not meant.
      if folders.contains(where: { $0.hasSuffix(".m2fp") || $0.hasPrefix(".") }) { continue }
      let name = String(path.dropLast(suffix.count))
      var files = Files(labels: folder + "/" + path)
      complete(folder + "/" + name, &files)
      result[name] = files
    }
    return result
  }

  private static func withoutImageExtension(_ name: String) -> String {
    for suffix in [".jpg", ".jpeg", ".jpe", ".jfif", ".png"]
    where name.lowercased().hasSuffix(suffix) {
      return String(name.dropLast(suffix.count))
    }
    return name
  }

  private static func existing(_ path: String) -> String? {
    FileManager.default.fileExists(atPath: path) ? path : nil
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
}
