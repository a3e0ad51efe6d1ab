import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import TestSupport
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

  /// An ending that is no photo's tells a file from its neighbours.
  @Test func issue19OnlyAPhotosEndingIsTakenOff() {
    let planned = plan(
      [("photo.jpg", "photo.jpg"), ("photo.jpg.2", "photo.jpg.2"), ("v1.2", "v1.2")])
    #expect(
      planned.map(\.outputs.map) == ["photo.m2fp.png", "photo.jpg.2.m2fp.png", "v1.2.m2fp.png"])
    #expect(planned.allSatisfy { $0.input.failure == nil })
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

  /// The file system is asked about names that may be one to it, and about no others.
  @Test func issue17NamesThatAreOneToTheFileSystemCollide() {
    let names = ["IMG_1.jpg", "img_1.jpg", "a.jpg", "e\u{301}.jpg", "\u{E9}.jpg", "sub/IMG_1.jpg"]
    let inputs = names.map { Input(path: FilePath("in/" + $0), relativePath: FilePath($0)) }
    for isOneName in [false, true] {
      var asked = 0
      let planned = OutputPlan.plan(inputs, root: "out", naming: .stem) { _, _ in
        asked += 1
        return isOneName
      }
      #expect(asked == 2)
      let failed = planned.filter { $0.input.failure != nil }
      #expect(
        failed.map(\.input.path.name) == (isOneName ? [1, 4] : []).map { Array(names[$0].utf8) })
      #expect(
        failed.allSatisfy {
          $0.input.failure?.detail == .sameOutputs(fullNamesDiffer: false)
            && $0.input.failure?.message.contains("takes both names for one") == true
        })
    }
  }

  @Test func issue17ThisFileSystemIsAsked() throws {
    let folder = try TemporaryFolder()
    func isOne(_ one: String, _ other: String) -> Bool {
      NameProbe.isOneName(
        Array(one.utf8), Array(other.utf8), in: folder.filePath("not/there"), following: .all)
    }
    #expect(isOne("a", "a"))
    let isCaseInsensitive = try {
      try folder.write("Case", [])
      return folder.exists("cASE")
    }()
    #expect(isOne("IMG_1", "img_1") == isCaseInsensitive)
    #expect(folder.files() == ["Case"])
  }
}
