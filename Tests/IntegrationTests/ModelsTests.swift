import Foundation
import TestSupport
import Testing

/// `m2fp models` and `m2fp classes`.
struct ModelsTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func modelsAreListedByName() async throws {
    let result = try await run("models", environment: ["M2FP_MODELS": Self.models])
    #expect(result.code == 0)
    #expect(result.output.contains("colour-multi") && result.output.contains("persons as one"))
    #expect(result.output.contains("needs colour-multi to find persons, and colour-dense to parse"))
    // A broken archive is a warning, not the end of the list.
    #expect(result.error.contains("no-contract.pt"))
  }

  @Test func theDefaultModelSaysWhatItLearnedFrom() async throws {
    let shipped = Fixtures.package.appendingPathComponent("Models/archives").path
    let result = try await run("models", environment: ["M2FP_MODELS": shipped])
    #expect(result.output.contains("m2fp-tiny (default)"))
    #expect(result.output.contains("Clothing Co-Parsing") && result.output.contains("COCO"))
  }

  @Test func classesAreListedWithTheirColours() async throws {
    let result = try await run("classes", "--model", Self.model, "--palette", "voc")
    #expect(result.code == 0)
    #expect(result.output.contains("#008000  hair"))
    #expect(result.output.split(separator: "\n").count == 20)
  }
}
