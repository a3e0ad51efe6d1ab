import ArgumentParser
import FoundationEssentials
import M2FPBatch
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import M2FPFiles
import SystemPackage

/// Tells how far two result trees agree.
struct CompareCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp compare parsed-1/ parsed-2/", "the images that agree least"),
    Example("m2fp compare one/ two/ --least 99.5", "exit code 4 if one agrees less"),
    Example("m2fp compare cihp/ sapiens/ --remap simple", "models of different classes"),
  ]

  static let explanation = """
    Both folders may be laid out as for 'm2fp eval'; images are matched by name. The images that \
    agree least come first. Maps of different classes are compared with --remap, each by the names in \
    its own sidecar.
    Exits with 4 if an image agrees in less than --least, and with 3 if an image is in one tree \
    only or cannot be compared (each is named).
    """

  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare the label maps of two result trees: models, precisions or versions.",
    usage: "m2fp compare [<options>] <first> <second>",
    discussion: discussion)

  @Argument(help: "A result tree.", completion: .directory)
  var first: FilePath

  @Argument(help: "Another one.", completion: .directory)
  var second: FilePath

  @Option(
    help: ArgumentHelp(
      "The least share of pixels, in percent, that must have equal labels in each image. "
        + "Default: any will do.", valueName: "percent"))
  var least: Double?

  @Option(help: ArgumentHelp("How many images to list; 0 for all.", valueName: "n"))
  var worst = 10

  @Option(
    help: ArgumentHelp(
      "Turn the classes of both into another set's first, as 'm2fp parse' does: "
        + "\(NamedClassSets.list), or a file. Default: they are the same.", valueName: "set|file"),
    completion: .file(extensions: ["json", "toml"]))
  var remap: String?

  @Flag(help: "Print one JSON object, with all images, on standard output.")
  var json = false

  @OptionGroup var configuration: ConfigurationOptions

  func validate() throws {
    if let least, !(0...100).contains(least) {
      throw ValidationError("--least is 0 to 100 percent.")
    }
    if worst < 0 { throw ValidationError("--worst is 0 (all) or more.") }
  }

  func run() throws {
    try Console.exiting { try compare() }
  }

  private struct Row: Sendable {
    let name: FilePath
    let agreement: Agreement
  }

  private func compare() throws {
    let one = try LabelDataset(first)
    let other = try LabelDataset(second)
    let table = try remap.map { try NamedClassSets.json($0, option: "--remap") }
    if let table, let remap {
      do throws(ClassRemapError) {
        _ = try ClassSet(json: table)
      } catch {
        throw ValidationError("--remap \(remap): \(error)")
      }
    }
    let results = concurrentMap(
      one.names, sharing: .memory(threads: CPUBudget.current().usable),
      bytes: { one.bytes(toRead: $0) + other.bytes(toRead: other.match($0)) }
    ) { name -> Result<Row, LabelFileError> in
      Result { () throws(LabelFileError) in
        guard let match = other.match(name) else {
          throw LabelFileError(path: name, reason: "is only in \(first)")
        }
        let a = try LabelledMap(name, of: one, remap: table)
        let b = try LabelledMap(match, of: other, remap: table)
        if let ours = a.classes, let theirs = b.classes, !ClassNames.areSame(ours, theirs) {
          throw LabelFileError(
            path: name,
            reason: "its \(ours.count) classes are not the \(theirs.count) of the other: compare "
              + "both in one set with --remap (\(NamedClassSets.list))")
        }
        do throws(EvaluationError) {
          return Row(name: name, agreement: try Agreement(a.map, b.map))
        } catch {
          throw LabelFileError(path: name, reason: error.description)
        }
      }
    }
    var rows: [Row] = []
    var failures: [LabelFileError] = []
    for result in results {
      switch result {
      case .success(let row): rows.append(row)
      case .failure(let error): failures.append(error)
      }
    }
    let matched = Set(one.names.compactMap { other.match($0) })
    failures += other.names.filter { !matched.contains($0) }.map {
      LabelFileError(path: $0, reason: "is only in \(second)")
    }
    for failure in failures { Console.writeError("failed \(failure)\n") }
    guard !rows.isEmpty else {
      throw RunFailure(.noInput, "no image of \(first) can be compared with one of \(second).")
    }
    rows.sort {
      $0.agreement.share != $1.agreement.share
        ? $0.agreement.share < $1.agreement.share
        : $0.name.bytes.lexicographicallyPrecedes($1.name.bytes)
    }
    let below = least.map { least in rows.count { $0.agreement.share * 100 < least } } ?? 0
    if json {
      Console.writeLine(machineReadable: try report(rows, failures, below: below))
    } else {
      printTable(rows, below: below)
    }
    if below > 0 { throw ExitCode(ExitStatus.someDiffer) }
    if !failures.isEmpty { throw ExitCode(ExitStatus.someFailed) }
  }

  /// A map to be compared, with the names of its classes where they are known.
  private struct LabelledMap {
    let map: IndexMap
    let classes: [String]?

    /// - Parameters:
    ///   - name: Of the image.
    ///   - tree: Where it lies.
    ///   - table: What turns its classes into others; nil for none.
    /// - Throws: ``LabelFileError`` for a map that cannot be read, or whose classes are not known.
    init(_ name: FilePath, of tree: LabelDataset, remap table: Data?) throws(LabelFileError) {
      let map = try tree.labels(of: name)
      let classes =
        switch tree.layout {
        case .cihp: NamedClassSets.set("cihp")?.names
        case .lip: NamedClassSets.set("lip")?.names
        case .m2fp, .challenge, .published, .plain: try tree.classes(of: name)
        }
      guard let table else {
        self.map = map
        self.classes = classes
        return
      }
      guard let classes else {
        throw LabelFileError(
          path: name,
          reason: "nothing in \(tree.folder) tells its classes, so that they cannot be turned into "
            + "others")
      }
      do throws(ClassRemapError) {
        let remap = try ClassRemap(json: table, modelClasses: classes)
        self.map = map.remapped(by: remap)
        self.classes = remap.classes
      } catch {
        throw LabelFileError(
          path: name, reason: "its classes cannot be turned into others: \(error)")
      }
    }
  }

  /// Equal pixels of all pixels.
  private func overall(_ rows: [Row]) -> Double {
    let pixels = rows.reduce(0) { $0 + $1.agreement.pixels }
    return Double(rows.reduce(0) { $0 + $1.agreement.equalPixels }) / Double(pixels)
  }

  private func printTable(_ rows: [Row], below: Int) {
    let shown = worst == 0 ? rows[...] : rows.prefix(worst)
    Console.writeLine("  equal    mIoU  image")
    for row in shown {
      let equal = String(printf: "%7.3f", row.agreement.share * 100)
      let iou = String(printf: "%6.2f", row.agreement.meanIoU * 100)
      Console.writeLine("\(equal)  \(iou)  \(row.name)")
    }
    if rows.count > shown.count { Console.writeLine("  … \(rows.count - shown.count) more") }
    Console.writeLine(
      "\(rows.count) images agree in \(String(printf: "%.3f", overall(rows) * 100)) % of the pixels"
    )
    if let least {
      Console.writeLine(
        below == 0
          ? "none is below \(least) %" : "\(below) \(below == 1 ? "is" : "are") below \(least) %")
    }
  }

  private func report(_ rows: [Row], _ failures: [LabelFileError], below: Int) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let object = Report(
      images: rows.count, agreement: overall(rows), below: least == nil ? nil : below,
      files: rows.map {
        .init(
          name: $0.name.string, agreement: $0.agreement.share, meanIoU: $0.agreement.meanIoU,
          pixels: $0.agreement.pixels)
      },
      failures: failures.map { .init(file: $0.path.string, reason: $0.reason) })
    return String(decoding: try encoder.encode(object), as: UTF8.self)
  }

  private struct Report: Encodable {
    struct File: Encodable {
      let name: String
      let agreement: Double
      let meanIoU: Double
      let pixels: Int

      enum CodingKeys: String, CodingKey {
        case name, agreement, pixels
        case meanIoU = "mean_iou"
      }
    }

    struct Failure: Encodable {
      let file: String
      let reason: String
    }

    let images: Int
    let agreement: Double
    /// How many images agree in less than `--least`.
    let below: Int?
    /// The worst first.
    let files: [File]
    let failures: [Failure]
  }
}
