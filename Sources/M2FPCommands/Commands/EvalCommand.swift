import ArgumentParser
import FoundationEssentials
import M2FPBatch
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import M2FPFiles
import M2FPResults
import SystemPackage

/// Tells how good predictions are.
struct EvalCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp eval --predictions parsed/ --truth CIHP/", "mIoU, APr, APp, PCP, APh"),
    Example("m2fp eval --predictions a/ --truth b/ --json", "for programs"),
  ]

  static let explanation = """
    Both folders may be laid out as m2fp's outputs, as CIHP (Category_ids, Instance_ids, \
    Human_ids), LIP (val_segmentations), the LIP and CIHP challenges (global_parsing, \
    instance_parsing), or as a plain folder of PNG label maps. Images are matched by name. Pixels \
    of label 255 in the truth do not count.
    The figures are those of M2FP's published evaluator, to 1e-6. APr, APp, PCP and APh need \
    persons in the truth and in the predictions ('m2fp parse --persons').
    Exits with 3 if an image of the truth has no prediction or one that cannot be used (each is \
    named and left out), with 66 if that holds for all.
    """

  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Compare predictions with the truth: mIoU, accuracy, and AP and PCP of persons.",
    usage: "m2fp eval [<options>] --predictions <dir> --truth <dir>",
    discussion: discussion)

  @Option(
    help: ArgumentHelp("The folder of the predictions.", valueName: "dir"), completion: .directory)
  var predictions: FilePath

  @Option(help: ArgumentHelp("The folder of the truth.", valueName: "dir"), completion: .directory)
  var truth: FilePath

  @Option(
    help: ArgumentHelp(ClassSetOption.help, valueName: "name|file"),
    completion: .list(NamedClassSets.names))
  var classes = "cihp"

  @Option(
    help: ArgumentHelp(
      """
      A class that neither shows counts as 0 in the means, as in the published evaluator, or is \
      left out: better for few images.
      """, valueName: "zero|skip"))
  var absent = Evaluation.AbsentClasses.zero

  @Option(
    help: ArgumentHelp("Draw the confusion matrix into this SVG file.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var plot: FilePath?

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  @OptionGroup var configuration: ConfigurationOptions

  func validate() throws {
    if let plot, plot.extension?.lowercased() != "svg" {
      throw ValidationError("--plot \(plot): the picture is an SVG; give a name that ends in .svg.")
    }
  }

  func run() throws {
    try Console.exiting { try evaluate() }
  }

  private func evaluate() throws {
    let names = try ClassSetOption.names(classes)
    let truthTree = try LabelDataset(truth)
    let foundTree = try LabelDataset(predictions)
    // With no person in any prediction the measure is not taken, rather than 0.
    let takesPersons = truthTree.hasPersons && foundTree.hasPersons
    let takesParts = truthTree.hasParts && foundTree.hasParts

    let images = truthTree.names
    let results = concurrentMap(
      images, sharing: .memory(threads: CPUBudget.current().usable),
      bytes: { truthTree.bytes(toRead: $0) + foundTree.bytes(toRead: foundTree.match($0)) }
    ) { name -> Result<ImageMetrics, LabelFileError> in
      Result { () throws(LabelFileError) in
        guard let match = foundTree.match(name) else {
          throw LabelFileError(path: name, reason: "there is no prediction in \(predictions)")
        }
        var image = try truthTree.truth(of: name)
        image = GroundTruth(
          labels: image.labels, parts: takesParts ? image.parts : nil,
          persons: takesPersons ? image.persons : nil)
        let found = try foundTree.found(in: match)
        do throws(EvaluationError) {
          return try ImageMetrics(truth: image, found: found, classes: names.count)
        } catch {
          throw LabelFileError(path: name, reason: error.description)
        }
      }
    }
    var evaluation = Evaluation(classes: names.count, absent: absent)
    var failures: [LabelFileError] = []
    for result in results {
      switch result {
      case .success(let figures): evaluation.add(figures)
      case .failure(let error): failures.append(error)
      }
    }
    for failure in failures { Console.writeError("failed \(failure)\n") }
    guard evaluation.images > 0 else {
      throw RunFailure(
        .noInput, "no image of \(truth) has a prediction in \(predictions) that can be used.")
    }
    let matched = Set(images.compactMap { foundTree.match($0) })
    let unused = foundTree.names.count - matched.count
    if unused > 0 {
      Console.writeError("m2fp: warning: \(unused) predictions have no truth and are left out\n")
    }
    let report = EvaluationReport(
      evaluation, classes: names, truth: truthTree.layout, predictions: foundTree.layout,
      failures: failures, absent: absent)
    if let plot { try writePlot(evaluation.confusion, names, to: plot) }
    if json {
      Console.writeLine(machineReadable: report.json)
    } else {
      for line in report.table { Console.writeLine("\(line)") }
      if truthTree.hasPersons && !takesPersons {
        Console.writeLine(
          "No persons in the predictions: APp, PCP and APh were not taken (parse with --persons).")
      }
      if let plot { Console.writeLine("confusion matrix: \(plot)") }
    }
    if !failures.isEmpty { throw ExitCode(ExitStatus.someFailed) }
  }

  private func writePlot(_ confusion: Confusion, _ names: [String], to path: FilePath) throws {
    let svg = ConfusionPlot.svg(
      confusion, classes: names, title: "Confusion matrix, \(confusion.pixels) pixels")
    do throws(FileFailure) {
      // A folder that is not there is rather a slip than a wish.
      guard case .folder = FileKind(path.folder) else {
        throw FileFailure.writing(path, .noSuchFileOrDirectory)
      }
      try AtomicFile.write(Data(svg.utf8), to: path)
    } catch {
      throw RunFailure(.outputNotWritable, "\(path): cannot be written.")
    }
  }
}

extension Evaluation.AbsentClasses: ExpressibleByArgument {}
