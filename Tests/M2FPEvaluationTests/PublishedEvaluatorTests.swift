import Foundation
import M2FPCore
import TestSupport
import Testing

@testable import M2FPEvaluation

/// The answers of M2FP's published evaluator on generated cases (Models/commands/upstream_cases.py).
struct PublishedEvaluatorTests {
  static let cases: [Case] = {
    do {
      return try JSONDecoder().decode([Case].self, from: Fixtures.data("evaluation/cases.json"))
    } catch {
      fatalError("evaluation/cases.json: \(error)")
    }
  }()

  @Test func thereAreEnoughCases() {
    #expect(Self.cases.count >= 20)
  }

  @Test(arguments: cases)
  func theFiguresAreThePublishedOnes(_ test: Case) throws {
    var evaluation = Evaluation(classes: test.classes)
    for image in test.images {
      evaluation.add(
        try ImageMetrics(truth: image.true_, found: image.found_, classes: test.classes))
    }
    let expected = test.expected
    for index in 0..<test.classes {
      compare(evaluation.iou(index) ?? 0, expected.iou[index], "IoU of \(index)")
      compare(evaluation.f1(index) ?? 0, expected.f1[index], "F1 of \(index)")
      if index > 0 {
        compare(
          evaluation.partPrecision(index)?.mean, expected.apr_by_class[index - 1],
          "AP^r of \(index)")
      }
    }
    // With no pixel that counts upstream has means of 0, where here there are none.
    let counted = evaluation.confusion.pixels > 0
    compare(evaluation.meanIoU, counted ? expected.mean_iou : nil, "mIoU")
    compare(evaluation.meanAccuracy, counted ? expected.mean_accuracy : nil, "mean accuracy")
    compare(evaluation.confusion.pixelAccuracy, expected.pixel_accuracy, "pixel accuracy")
    compare(evaluation.meanF1, counted ? expected.mean_f1 : nil, "mean F1")
    compare(evaluation.partPrecision, expected.apr, "AP^r")
    compare(evaluation.personPrecision, expected.aph, "AP^h")
    if let app = expected.app, let pcp = expected.pcp {
      let figures = try #require(evaluation.parsingPrecision)
      compare(figures.precision, app, "AP^p")
      compare(figures.correctParts, pcp, "PCP")
    }
  }

  private func compare(_ curve: Evaluation.Curve?, _ expected: [Double?], _ what: String) {
    #expect(curve?.values.count == expected.count)
    for (index, value) in (curve?.values ?? []).enumerated() {
      compare(value, expected[index], "\(what) at \(curve?.thresholds[index] ?? 0)")
    }
  }

  private func compare(_ value: Double?, _ expected: Double?, _ what: String) {
    switch (value, expected) {
    case (nil, nil): break
    case (let value?, let expected?):
      #expect(abs(value - expected) < 1e-6, "\(what): \(value), published \(expected)")
    default:
      Issue.record(
        "\(what): \(String(describing: value)), published \(String(describing: expected))")
    }
  }

  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let classes: Int
    let images: [Image]
    let expected: Expected

    var testDescription: String { name }
  }

  struct Expected: Decodable, Sendable {
    let iou: [Double]
    let f1: [Double]
    let mean_iou: Double
    let mean_accuracy: Double
    let pixel_accuracy: Double?
    let mean_f1: Double
    let apr: [Double?]
    let apr_by_class: [Double?]
    let aph: [Double?]
    /// Absent where the evaluator stops with an error.
    let app: [Double?]?
    let pcp: [Double?]?
  }

  struct Image: Decodable, Sendable {
    let height: Int
    let width: Int
    let truth: Truth
    let found: Found

    struct Truth: Decodable, Sendable {
      let labels: [UInt16]
      let persons: [UInt16]
      let parts: [UInt16]
      /// Part, class.
      let part_classes: [[Int]]
    }

    struct Found: Decodable, Sendable {
      let labels: [UInt16]
      let persons: [UInt16]
      /// Person, score of its mask, score of its parsing.
      let person_scores: [[Double]]
      let parts: [UInt16]
      /// Part, class, score.
      let part_scores: [[Double]]
    }

    /// Runs of value and length.
    private func map(_ runs: [UInt16]) -> IndexMap {
      var values: [UInt16] = []
      for index in stride(from: 0, to: runs.count, by: 2) {
        values += [UInt16](repeating: runs[index], count: Int(runs[index + 1]))
      }
      return IndexMap(width: width, height: height, pixels: values)
    }

    var true_: GroundTruth {
      let persons = map(truth.persons)
      return GroundTruth(
        labels: map(truth.labels),
        parts: InstanceMap(
          ids: map(truth.parts),
          instances: truth.part_classes.map { .init(id: $0[0], classIndex: $0[1]) }),
        persons: InstanceMap(
          ids: persons,
          instances: Set(persons.pixels).subtracting([0]).sorted().map { .init(id: Int($0)) }))
    }

    var found_: Prediction {
      let persons = map(found.persons)
      func scored(_ column: Int) -> InstanceMap {
        InstanceMap(
          ids: persons,
          instances: found.person_scores.map { .init(id: Int($0[0]), score: $0[column]) })
      }
      return Prediction(
        labels: map(found.labels),
        parts: InstanceMap(
          ids: map(found.parts),
          instances: found.part_scores.map {
            .init(id: Int($0[0]), classIndex: Int($0[1]), score: $0[2])
          }),
        persons: scored(1), parsings: scored(2))
    }
  }
}
