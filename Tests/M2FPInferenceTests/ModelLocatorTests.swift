import Foundation
import M2FPCore
import SystemPackage
import TestSupport
import Testing

@testable import M2FPInference

struct ModelLocatorTests {
  private let home: TemporaryFolder

  init() throws {
    home = try TemporaryFolder()
    try home.write(".local/share/m2fp/models/one.pt", [])
    try home.write(".local/bin/m2fp", [])
  }

  private func locator(_ environment: [String: String] = [:]) -> ModelLocator {
    ModelLocator(
      environment: ["HOME": home.path].merging(environment) { $1 },
      executable: home.filePath(".local/bin/m2fp"))
  }

  @Test func aFolderThatIsBothTheUsersAndTheInstalledOneIsSearchedOnce() {
    #expect(locator().folders == [home.filePath(".local/share/m2fp/models")])
    #expect(locator().archives.count == 1)
  }

  @Test func aFolderIsTheSameByWhateverWay() throws {
    try home.link("models", to: home.path + "/.local/share/m2fp/models")
    let ways = [home.path + "/models", home.path + "/.local//share/./m2fp/../m2fp/models"]
    #expect(locator(["M2FP_MODELS": ways.joined(separator: ":")]).archives.count == 1)
  }

  @Test func otherFoldersComeFirstInTheirOrder() throws {
    let other = try home.write("a/two.pt", [])
    #expect(
      locator(["M2FP_MODELS": home.path + "/a"]).archives.map(ModelLocator.name) == ["two", "one"])
    #expect(other.hasSuffix("two.pt"))
  }

  @Test func aReferenceIsANameOrAFile() {
    #expect(ModelReference("m2fp-tiny") == .named("m2fp-tiny"))
    #expect(ModelReference("m2fp-tiny.pt") == .file("m2fp-tiny.pt"))
    #expect(ModelReference("./m2fp-tiny") == .file("./m2fp-tiny"))
  }

  /// What an embedding program gives is searched, and nothing else.
  @Test func foldersThatAreGivenAreTheOnlyOnes() throws {
    let folder = home.filePath("mine")
    try home.write("mine/three.pt", Fixtures.data("models/colour-multi.pt"))
    let locator = ModelLocator(folders: [folder, folder])
    #expect(locator.folders == [folder])
    #expect(try locator.open(.named("three")).path == folder.appending("three.pt"))
    let missing = #expect(throws: RunFailure.self) { try locator.open(.named("thre")) }
    #expect(missing?.kind == .modelMissing && missing?.detail == .noSuchModel)
    #expect(missing?.message == "no model named 'thre'; did you mean 'three'?")
    #expect(throws: RunFailure.self) { try locator.open(.file(folder.appending("four.pt"))) }
  }
}
