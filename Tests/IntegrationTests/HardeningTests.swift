import Foundation
import TestSupport
import Testing

/// How the programs are compiled and linked. HardeningTests of M2FPInferenceTests looks at the library
/// that they open.
struct HardeningTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// m2fp, and m2fp-serve where it is built, too.
  private static let programs = [binary, binary + "-serve"].filter {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  @Test(arguments: programs)
  func issue17AddressesAreBoundAtOnce(_ program: String) throws {
    #expect(try ELFFile(path: program).isBoundAtOnce)
  }

  @Test(arguments: programs)
  func issue17NothingOfTheCodeInCIsExported(_ program: String) throws {
    let exports = try ELFFile(path: program).exports
    #expect(!exports.contains { $0.hasPrefix("m2fp") }, "\(exports)")
  }

  /// Of the code in C that is linked into the program; `make attack` looks at the release's. Swift's own
  /// libraries, which are linked in, too, call none of these.
  @Test(
    .enabled(
      if: environment["TRIAL_BINARY"] != nil, "glibc checks sizes only in code that is optimised"))
  func issue17TheSizesOfBuffersAreChecked() throws {
    let checked: Set = ["__memcpy_chk", "__snprintf_chk", "__vsnprintf_chk"]
    #expect(checked.isSubset(of: try ELFFile(path: Self.binary).imports))
  }
}
