import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import Testing

@testable import M2FPBatch

struct OutputPlanTests {
  private func plan(
    _ paths: [(path: FilePath, relative: FilePath)], root: FilePath? = nil, naming: Naming = .stem
  ) -> [PlannedFile] {
    OutputPlan.plan(
      paths.map { Input(path: $0.path, relativePath: $0.relative) }, root: root, naming: naming)
  }

  @Test func outputsLieBesideTheInput() {
    let outputs = plan([("in/a/b.c.jpg", "a/b.c.jpg")])[0].outputs
    #expect(outputs.mapPath == "in/a/b.c.m2fp.png")
    #expect(outputs.sidecarPath == "in/a/b.c.m2fp.json")
    #expect(outputs.mask("hair") == "b.c.m2fp/hair.png")
  }

  @Test func outputsLieInTheSameTreeUnderARoot() {
    #expect(plan([("in/a/b.jpg", "a/b.jpg")], root: "o/")[0].outputs.mapPath == "o/a/b.m2fp.png")
    #expect(plan([("in/b.jpg", "b.jpg")], root: "o")[0].outputs.mapPath == "o/b.m2fp.png")
  }

  @Test func aFileInTheCurrentFolderStaysThere() {
    #expect(plan([("b.jpg", "b.jpg")])[0].outputs.mapPath == "./b.m2fp.png")
  }

  @Test func aSecondClaimFailsAndNamesBothAndTheRemedy() throws {
    let planned = plan([("in/a.jpg", "a.jpg"), ("in/a.png", "a.png")])
    #expect(planned[0].input.failure == nil)
    let failure = try #require(planned[1].input.failure)
    #expect(failure.code == .outputCollision)
    #expect(
      failure.message.contains("in/a.jpg") && failure.detail == .sameOutputs(fullNamesDiffer: true))
  }

  @Test func fullNamesDoNotCollide() {
    let planned = plan([("in/a.jpg", "a.jpg"), ("in/a.png", "a.png")], naming: .full)
    #expect(planned.allSatisfy { $0.input.failure == nil })
    #expect(planned[1].outputs.mapPath == "in/a.png.m2fp.png")
  }

  @Test func sameNamesFromTwoFoldersCollideUnderOneRoot() throws {
    let planned = plan([("x/a.jpg", "a.jpg"), ("y/a.jpg", "a.jpg")], root: "o")
    #expect(planned[1].input.failure?.detail == .sameOutputs(fullNamesDiffer: false))
  }

  @Test func anInputListedTwiceIsPlannedOnce() {
    #expect(plan([("in/a.jpg", "a.jpg"), ("./in/a.jpg", "a.jpg")]).count == 1)
  }

  @Test func anInputThatFailedClaimsNothing() {
    let failure = FileFailure(stage: .read, code: .notAFile, message: "")
    let planned = OutputPlan.plan(
      [
        Input(path: "in/a.jpg", relativePath: "a.jpg", failure: failure),
        Input(path: "in/a.png", relativePath: "a.png"),
      ], root: nil, naming: .stem)
    #expect(planned[1].input.failure == nil)
  }
}
