import FoundationEssentials
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import SystemPackage

/// The figures of an evaluation, for people and for programs.
struct EvaluationReport {
  private let evaluation: Evaluation
  private let classes: [String]
  private let truth: LabelDataset.Layout
  private let predictions: LabelDataset.Layout
  private let failures: [LabelFileError]
  private let absent: Evaluation.AbsentClasses

  init(
    _ evaluation: Evaluation, classes: [String], truth: LabelDataset.Layout,
    predictions: LabelDataset.Layout, failures: [LabelFileError], absent: Evaluation.AbsentClasses
  ) {
    self.evaluation = evaluation
    self.classes = classes
    self.truth = truth
    self.predictions = predictions
    self.failures = failures
    self.absent = absent
  }

  // MARK: - For people

  /// Lines of text; figures in percent.
  var table: [String] {
    var lines = [
      "\(evaluation.images) images, truth as \(truth.rawValue), predictions as "
        + "\(predictions.rawValue)", "",
    ]
    let hasParts = evaluation.partPrecision != nil
    var columns = ["class", "IoU", "accuracy", "F1"]
    if hasParts { columns += ["APr", "APr50"] }
    columns.append("of pixels")
    let pixels = Double(max(1, evaluation.confusion.pixels))
    var rows = [columns]
    for (index, name) in classes.enumerated() {
      var row = [
        ClassNames.slug(name), percent(evaluation.iou(index)),
        percent(evaluation.confusion.accuracy(index)), percent(evaluation.f1(index)),
      ]
      if hasParts {
        let precision = index > 0 ? evaluation.partPrecision(index) : nil
        row += [percent(precision?.mean), percent(precision?.at(0.5))]
      }
      row.append(percent(Double(evaluation.confusion.truePixels(index)) / pixels))
      rows.append(row)
    }
    var means = [
      "mean", percent(evaluation.meanIoU), percent(evaluation.meanAccuracy),
      percent(evaluation.meanF1),
    ]
    if let precision = evaluation.partPrecision {
      means += [percent(precision.mean), percent(precision.at(0.5))]
    }
    rows.append(means + [""])
    lines += aligned(rows)
    lines += ["", "mIoU \(percent(evaluation.meanIoU)), pixel accuracy "]
    lines[lines.count - 1] +=
      percent(evaluation.confusion.pixelAccuracy)
      + ", mean accuracy " + percent(evaluation.meanAccuracy)
    if let parts = evaluation.partPrecision { lines.append(measure("APr", parts)) }
    if let parsing = evaluation.parsingPrecision {
      lines += [measure("APp", parsing.precision), measure("PCP", parsing.correctParts)]
    }
    if let persons = evaluation.personPrecision { lines.append(measure("APh", persons)) }
    let missing = evaluation.absentClasses
    if !missing.isEmpty {
      let slugs = missing.map { ClassNames.slug(classes[$0]) }.joined(separator: ", ")
      lines.append(
        "In neither: \(slugs); "
          + (absent == .zero
            ? "counted as 0 (--absent skip leaves them out)." : "left out of the means."))
    }
    return lines
  }

  private func measure(_ name: String, _ curve: Evaluation.Curve) -> String {
    "\(name)  \(percent(curve.mean))  (mean over thresholds \(curve.thresholds.first ?? 0)–"
      + "\(curve.thresholds.last ?? 0); at 0.5: \(percent(curve.at(0.5))))"
  }

  private func percent(_ value: Double?) -> String {
    value.map { String(printf: "%.2f", $0 * 100) } ?? "–"
  }

  /// The first column to the left, the others to the right.
  private func aligned(_ rows: [[String]]) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let pad = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + pad : pad + cell
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  // MARK: - For programs

  /// One JSON object; figures from 0 to 1, null where a figure is not defined.
  var json: String {
    let object = Report(
      images: evaluation.images, absent: absent.rawValue,
      meanIoU: evaluation.meanIoU, pixelAccuracy: evaluation.confusion.pixelAccuracy,
      meanAccuracy: evaluation.meanAccuracy, meanF1: evaluation.meanF1,
      apr: evaluation.partPrecision.map(Measure.init),
      app: evaluation.parsingPrecision.map { Measure($0.precision) },
      pcp: evaluation.parsingPrecision.map { Measure($0.correctParts) },
      aph: evaluation.personPrecision.map(Measure.init),
      classes: classes.enumerated().map { index, name in
        Class(
          index: index, name: name, iou: evaluation.iou(index),
          accuracy: evaluation.confusion.accuracy(index), f1: evaluation.f1(index),
          apr: index > 0 ? evaluation.partPrecision(index).map(Measure.init) : nil,
          truePixels: evaluation.confusion.truePixels(index),
          foundPixels: evaluation.confusion.foundPixels(index))
      },
      confusion: classes.indices.map { row in
        Array(evaluation.confusion.counts[(row * classes.count)..<((row + 1) * classes.count)])
      },
      failures: failures.map { Failure(file: $0.path.string, reason: $0.reason) })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(object), as: UTF8.self)
    } catch {
      preconditionFailure("a report is always encodable: \(error)")
    }
  }

  private struct Report: Encodable {
    let images: Int
    let absent: String
    let meanIoU: Double?
    let pixelAccuracy: Double?
    let meanAccuracy: Double?
    let meanF1: Double?
    let apr: Measure?
    let app: Measure?
    let pcp: Measure?
    let aph: Measure?
    let classes: [Class]
    /// Row: true class; column: found class.
    let confusion: [[Int]]
    let failures: [Failure]

    enum CodingKeys: String, CodingKey {
      case images, absent, apr, app, pcp, aph, classes, confusion, failures
      case meanIoU = "mean_iou"
      case pixelAccuracy = "pixel_accuracy"
      case meanAccuracy = "mean_accuracy"
      case meanF1 = "mean_f1"
    }
  }

  private struct Class: Encodable {
    let index: Int
    let name: String
    let iou: Double?
    let accuracy: Double?
    let f1: Double?
    let apr: Measure?
    let truePixels: Int
    let foundPixels: Int

    enum CodingKeys: String, CodingKey {
      case index, name, iou, accuracy, f1, apr
      case truePixels = "true_pixels"
      case foundPixels = "found_pixels"
    }
  }

  private struct Measure: Encodable {
    let mean: Double?
    let thresholds: [Double]
    let values: [Double?]

    init(_ curve: Evaluation.Curve) {
      mean = curve.mean
      thresholds = curve.thresholds
      values = curve.values
    }
  }

  private struct Failure: Encodable {
    let file: String
    let reason: String
  }
}
