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

  private func difference(
    _ expected: some Collection<Float>, _ found: some Collection<Float>
  ) -> Float {
    zip(expected, found).map { abs($0 - $1) }.reduce(expected.count == found.count ? 0 : 1, max)
  }

  /// The largest difference of each mask from PyTorch's.
  private func differences(_ expected: [Float], _ output: NetworkOutput) -> [Float] {
    let masks = output.tensors[1]
    #expect(masks.values.count == expected.count)
    let area = masks.shape[2] * masks.shape[3]
    return (0..<masks.shape[1]).map { query in
      let range = query * area..<(query + 1) * area
      return difference(expected[range], masks.values[range])
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
        #expect(output.tensors.map(\.shape) == [[1, 10, 22], [1, 10, height / 4, width / 4]])
        return zip([logits, masks], output.tensors).map { difference($0, $1.values) }.max() ?? 1
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
      let worst = try session.run(width: width, height: height, fill: fill) {
        differences(masks, $0)
      }
      for (layer, difference) in worst.enumerated() {
        #expect(difference < 1e-5, "layer \(layer)")
      }
    }
  }

  /// Archives of `Tests/Fixtures/dense`.
  @Test(arguments: [("segformer", 64), ("lite-hrnet-ocr", 64), ("schp", 65)], [1, 2])
  func denseNetworksComputeWhatPyTorchsDo(network: (name: String, side: Int), threads: Int) throws {
    let (name, side) = network
    let model = try Model(ModelArchive(path: Fixtures.filePath("dense/\(name).pt")))
    let session = try TorchSession(model: model, threads: threads)
    let logits = try Fixtures.data("dense/\(name).logits.f32").withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    let places = (side + 3) / 4
    let largest = try session.run(width: side, height: side, fill: fill) { output in
      #expect(output.tensors.map(\.shape) == [[1, 6, places, places]])
      return difference(logits, output.tensors[0].values)
    }
    #expect(largest < 1e-3)
  }

  /// Layers take in what follows them only where nothing was written to what they read in between; an
  /// addition of integers is no layer's.
  @Test func whatIsWrittenInPlaceIsReadBefore() throws {
    let model = try Model(ModelArchive(path: Fixtures.filePath("models/in-place.pt")))
    let session = try TorchSession(model: model, threads: 1)
    let masks = try floats("in-place-96x128.masks.f32")
    let worst = try session.run(width: 128, height: 96, fill: fill) { differences(masks, $0) }
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
          let masks = output.tensors[1]
          let area = masks.shape[2] * masks.shape[3]
          let values = Array(masks.values)
          return (0..<masks.shape[1]).map { values[$0 * area..<($0 + 1) * area] }
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
          let largest = try session.run(width: 128, height: 96, fill: fill) {
            difference(expected, $0.tensors[0].values)
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
    let contract = model.archive.contract
    let geometry = NetworkGeometry(
      imageWidth: 96, imageHeight: 128, preprocess: contract.preprocess, maxSide: 0)
    let failure = #expect(throws: FileFailure.self) {
      try session.run(width: 96, height: 128, fill: fill) { (output) throws(FileFailure) in
        _ = try Postprocessor(contract: contract, threads: 1)
          .run(output, geometry: geometry, persons: nil)
      }
    }
    #expect(failure?.stage == .infer)
    #expect(failure?.message.contains("export the model anew") == true)
  }

  @Test func torchReportsWhatItRunsOn() throws {
    let runtime = try TorchRuntimeInfo()
    #expect(runtime.torchVersion.hasPrefix("1.") || runtime.torchVersion.hasPrefix("2."))
    #expect(!runtime.oneDNNVersion.isEmpty && !runtime.cpuCapability.isEmpty)
    let sets = ["sse2", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "neon"]
    #expect(sets.contains(runtime.instructionSet))
    #expect(runtime.blasPath.hasPrefix("/"))
  }
}
