import Testing

@testable import M2FPCore

struct QueryOutputTests {
  private let geometry = NetworkGeometry(
    imageWidth: 64, imageHeight: 32, contentWidth: 64, contentHeight: 32, offsetX: 0, offsetY: 0,
    inputWidth: 64, inputHeight: 32)

  /// What is wrong with tensors of these shapes; nil if nothing is.
  private func problem(
    _ shapes: [[Int]], _ postprocess: ModelContract.Postprocess = .querySemantic
  ) -> String? {
    let values = [Float](repeating: 0, count: shapes.map { $0.reduce(1, *) }.max() ?? 0)
    return values.withUnsafeBufferPointer { values in
      let output = NetworkOutput(
        tensors: shapes.map {
          NetworkOutput.Tensor(
            shape: $0, values: UnsafeBufferPointer(rebasing: values[..<$0.reduce(1, *)]))
        })
      do throws(FileFailure) {
        _ = try QueryOutput(output, contract: contract(postprocess), geometry: geometry)
        return nil
      } catch {
        #expect(error.stage == .infer && error.code == .inference)
        return error.message
      }
    }
  }

  @Test func whatTheContractPromisesIsTaken() {
    #expect(problem([[1, 7, 6], [1, 7, 8, 16]]) == nil)
    #expect(problem([[1, 7, 6], [1, 7, 32, 64]]) == nil, "masks of the input's own size")
    let rules = ModelContract.InstanceRules(
      topK: 1, partScoreThreshold: 0, humanScoreThreshold: 0, semanticScoreThreshold: 0,
      maskThreshold: 0)
    #expect(problem([[1, 7, 7], [1, 7, 8, 16]], .instances(rules)) == nil, "with the human")
  }

  @Test(
    arguments: [
      ([], "returns 0 tensors, and postprocess.mode 'query_semantic' takes two"),
      ([[1, 5, 8, 16]], "returns 1 tensors, and postprocess.mode"),
      ([[1, 7, 6], [1, 7, 8, 16], [1]], "returns 3 tensors"),
      ([[7, 6], [1, 7, 8, 16]], "class logits of 7×6"), ([[], [1, 7, 8, 16]], "of one value"),
      ([[2, 7, 6], [1, 7, 8, 16]], "takes 1×Q×6"),
      ([[1, 0, 6], [1, 0, 8, 16]], "class logits of 1×0×6"),
      ([[1, 7, 9], [1, 7, 8, 16]], "returns 9 classes, and its contract's classes make 6"),
      ([[1, 7, 6], [1, 8, 8, 16]], "masks of 1×8×8×16"),
      ([[1, 7, 6], [7, 8, 16]], "masks of 7×8×16"),
      ([[1, 7, 6], [1, 7, 2, 16]], "for an input of 64×32"),
      ([[1, 7, 6], [1, 7, 33, 64]], "masks of 1×7×33×64"),
      ([[1, 7, 6], [1, 7, 8, 65]], "takes 1×7×height×width"),
    ] as [([[Int]], String)])
  func whatItDoesNotIsNamed(_ shapes: [[Int]], _ words: String) {
    let message = problem(shapes)
    #expect(message?.contains(words) == true, "\(message ?? "taken")")
    #expect(message?.hasSuffix(": export the model anew") == true)
  }
}
