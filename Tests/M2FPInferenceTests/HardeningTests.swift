import Foundation
import TestSupport
import Testing

/// How the shim is compiled and linked, which no compiler checks.
struct HardeningTests {
  private static func library() throws -> ELFFile {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try ELFFile(
      path: URL(fileURLWithPath: executable).deletingLastPathComponent()
        .appendingPathComponent("libM2FPTorch.so").path)
  }

  @Test func issue17AddressesAreBoundAtOnce() throws {
    #expect(try Self.library().isBoundAtOnce)
  }

  @Test func issue17OnlyTheInterfaceIsExported() throws {
    #expect(try Self.library().exports == ["m2fp_torch_get_api"])
  }

  /// glibc checks none of these in C++ as clang compiles it: what is not called cannot overflow.
  @Test func issue17NothingIsWrittenWithoutASize() throws {
    let unchecked: Set = [
      "snprintf", "vsnprintf", "sprintf", "vsprintf", "strcpy", "stpcpy", "strncpy", "strcat",
      "strncat", "gets", "fgets",
    ]
    #expect(try Self.library().imports.filter(unchecked.contains) == [])
  }
}
