import Foundation
import M2FPCore
import SystemPackage
import TestSupport
import Testing

@testable import M2FPInference

struct TorchSessionTests {
  private func floats(_ name: String) throws -> [Float] {
    try Fixtures.data("models/" + name).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
  }

  /// The image that Models/commands/fixture_models.py computed the references from.
  private func fill(_ input: UnsafeMutableBufferPointer<Float>) {
    for index in input.indices { input[index] = Float(index * 7919 % 1009) / 504 - 1 }
  }

  @Test(arguments: [1, 2])
  func outputsEqualPyTorchs(threads: Int) throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/random.pt")))
    let session = try TorchSession(model: model, threads: threads)
    for (height, width) in [(96, 128), (160, 64), (96, 128)] {
      let logits = try floats("random-\(height)x\(width).logits.f32")
      let masks = try floats("random-\(height)x\(width).masks.f32")
      let largest = try session.run(width: width, height: height, fill: fill) { output in
        #expect(output.queries == 10 && output.classes == 22)
        #expect(output.maskWidth == width / 4 && output.maskHeight == height / 4)
        return zip(logits, output.classLogits).map { abs($0 - $1) }.reduce(0, max)
          + zip(masks, output.maskLogits).map { abs($0 - $1) }.reduce(0, max)
      }
      #expect(largest < 1e-3)
    }
  }

  @Test(arguments: [1, 2])
  func everyKindOfLayerComputesWhatPyTorchsDoes(threads: Int) throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/layers.pt")))
    let session = try TorchSession(model: model, threads: threads)
    for (height, width) in [(96, 128), (160, 64)] {
      let masks = try floats("layers-\(height)x\(width).masks.f32")
      let worst = try session.run(width: width, height: height, fill: fill) { output in
        #expect(output.maskLogits.count == masks.count)
        let area = output.maskWidth * output.maskHeight
        return (0..<output.queries).map { query in
          let range = query * area..<(query + 1) * area
          return zip(masks[range], output.maskLogits[range]).map { abs($0 - $1) }.reduce(0, max)
        }
      }
      for (layer, difference) in worst.enumerated() {
        #expect(difference < 1e-5, "layer \(layer)")
      }
    }
  }

  /// Layers take in what follows them only where nothing was written to what they read in between; an
  /// addition of integers is no layer's.
  @Test func whatIsWrittenInPlaceIsReadBefore() throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/in-place.pt")))
    let session = try TorchSession(model: model, threads: 1)
    let masks = try floats("in-place-96x128.masks.f32")
    let worst = try session.run(width: 128, height: 96, fill: fill) { output in
      #expect(output.maskLogits.count == masks.count)
      let area = output.maskWidth * output.maskHeight
      return (0..<output.queries).map { query in
        let range = query * area..<(query + 1) * area
        return zip(masks[range], output.maskLogits[range]).map { abs($0 - $1) }.reduce(0, max)
      }
    }
    for (mask, difference) in worst.enumerated() {
      #expect(difference < 1e-5, "mask \(mask)")
    }
  }

  @Test func sizesWhoseProductOverflowsAreRefused() throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/overflowing-shapes.pt")))
    let session = try TorchSession(model: model, threads: 1)
    let failure = #expect(throws: FileFailure.self) {
      try session.run(width: 32, height: 32, fill: fill) { _ in }
    }
    #expect(failure?.message.contains("spatial_shapes") == true, "\(String(describing: failure))")
  }

  @Test(arguments: [1, 2])
  func int16StaysNearPyTorchsResults(threads: Int) throws {
    let archive = try ModelArchive(path: Fixtures.filePath("models/layers.pt"))
    let exact = try TorchSession(model: Model(archive), threads: threads)
    let session = try TorchSession(model: Model(archive, precision: .int16), threads: threads)
    for (height, width) in [(96, 128), (160, 64)] {
      func masks(_ session: TorchSession) throws -> [ArraySlice<Float>] {
        try session.run(width: width, height: height, fill: fill) { output in
          let area = output.maskWidth * output.maskHeight
          let values = Array(output.maskLogits)
          return (0..<output.queries).map { values[$0 * area..<($0 + 1) * area] }
        }
      }
      let result = try masks(session)
      // Four masks come from layers that qualify.
      #expect(zip(try masks(exact), result).count { $0 != $1 } == 4)
      let expected = try floats("layers-\(height)x\(width).masks.f32")
      let worst = zip(expected, result.joined()).map { abs($0 - $1) }.reduce(0, max)
      #expect(worst < 1e-3)
    }
  }

  @Test func sessionsOnManyThreadsShareOneModel() throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/random.pt")))
    let expected = try floats("random-96x128.logits.f32")
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      do {
        let session = try TorchSession(model: model, threads: 1)
        for _ in 0..<5 {
          let largest = try session.run(width: 128, height: 96, fill: fill) { output in
            zip(expected, output.classLogits).map { abs($0 - $1) }.reduce(0, max)
          }
          #expect(largest < 1e-3)
        }
      } catch {
        Issue.record(error)
      }
    }
  }

  @Test func aNetworkThatBreaksItsContractFailsTheFile() throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/mismatched-contract.pt")))
    let session = try TorchSession(model: model, threads: 1)
    let failure = #expect(throws: FileFailure.self) {
      try session.run(width: 96, height: 128, fill: fill) { _ in }
    }
    #expect(failure?.stage == .infer)
    #expect(failure?.message.contains("export the model anew") == true)
  }

  @Test func torchReportsWhatItRunsOn() throws {
    let runtime = try TorchRuntimeInfo()
    #expect(runtime.torchVersion.hasPrefix("1.") || runtime.torchVersion.hasPrefix("2."))
    #expect(!runtime.oneDNNVersion.isEmpty && !runtime.cpuCapability.isEmpty)
    #expect(runtime.blasPath.hasPrefix("/"))
  }
}
