import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import M2FPCommands

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
}
