import Foundation
import Testing

@testable import M2FPInference

/// How the shim is linked, which no compiler checks.
struct HardeningTests {
  private func library() throws -> String {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent()
      .appendingPathComponent("libM2FPTorch.so").path
  }

  /// What its dynamic section says, by tag.
  private func dynamicSection(_ path: String) throws -> [Int: UInt64] {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    func read<Value: FixedWidthInteger>(_ at: Int, _ type: Value.Type) -> Value {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: type) }
    }
    let headers = Int(read(32, UInt64.self))
    let (size, count) = (Int(read(54, UInt16.self)), Int(read(56, UInt16.self)))
    let dynamic = 2
    let segment = try #require(
      (0..<count).map { headers + $0 * size }.first { read($0, UInt32.self) == dynamic })
    let offset = Int(read(segment + 8, UInt64.self))
    let length = Int(read(segment + 32, UInt64.self))
    var entries: [Int: UInt64] = [:]
    for entry in stride(from: offset, to: offset + length, by: 16) {
      entries[Int(read(entry, Int64.self))] = read(entry + 8, UInt64.self)
    }
    return entries
  }

  @Test func addressesAreBoundAtOnce() throws {
    let (flags1, now) = (0x6FFF_FFFB, UInt64(1))
    let section = try dynamicSection(library())
    #expect(section[flags1, default: 0] & now == now)
  }

  @Test func onlyTheInterfaceIsExported() throws {
    // By the loader first, which keeps libraries out: another test looks for them.
    _ = try TorchLibrary.api()
    let library = try #require(dlopen(library(), RTLD_LAZY | RTLD_LOCAL))
    #expect(dlsym(library, "m2fp_torch_get_api") != nil)
    #expect(dlsym(library, "_ZN4m2fp6attendERKNS_9AttentionE") == nil)
    #expect(dlsym(library, "_ZN4m2fp15trim_block_poolEv") == nil)
  }
}
