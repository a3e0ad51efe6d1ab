import Foundation

/// What a program or library tells the dynamic linker: of ELF files of 64 bits, byte order as here.
package struct ELFFile {
  /// A name of the dynamic symbol table.
  package struct Symbol {
    package let name: String
    /// Whether it is found elsewhere.
    package let isUndefined: Bool
    /// Whether it is the only one of its name: not one of those that C++ makes wherever it needs them.
    package let isStrong: Bool
  }

  /// The dynamic section's values, by tag.
  package private(set) var dynamic: [Int: UInt64] = [:]
  package private(set) var symbols: [Symbol] = []

  /// Whether all that the linker fills in is filled in, and write-protected, before `main`.
  package var isBoundAtOnce: Bool {
    let (flags1, now) = (0x6FFF_FFFB, UInt64(1))
    return dynamic[flags1, default: 0] & now == now
  }

  /// What others may call, but for the marks that linkers set.
  package var exports: [String] {
    symbols.filter { !$0.isUndefined && $0.isStrong }.map(\.name)
      .filter { !["__bss_start", "_edata", "_end"].contains($0) }
  }

  /// What is called of other libraries.
  package var imports: [String] { symbols.filter(\.isUndefined).map(\.name) }

  /// - Throws: Where there is no such file.
  package init(path: String) throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    func read<Value: FixedWidthInteger>(_ at: Int, _ type: Value.Type) -> Int {
      bytes.withUnsafeBytes {
        Int(truncatingIfNeeded: $0.loadUnaligned(fromByteOffset: at, as: type))
      }
    }
    struct Section {
      let type: Int
      let offset: Int
      let size: Int
      let link: Int
    }
    let (table, size, count) = (read(40, UInt64.self), read(58, UInt16.self), read(60, UInt16.self))
    let sections = (0..<count).map { index in
      let at = table + index * size
      return Section(
        type: read(at + 4, UInt32.self), offset: read(at + 24, UInt64.self),
        size: read(at + 32, UInt64.self), link: read(at + 40, UInt32.self))
    }
    let (dynamicType, symbolsType) = (6, 11)
    for section in sections where section.type == dynamicType {
      for entry in stride(from: section.offset, to: section.offset + section.size, by: 16) {
        dynamic[read(entry, Int64.self)] = UInt64(bitPattern: Int64(read(entry + 8, UInt64.self)))
      }
    }
    for section in sections where section.type == symbolsType {
      let names = sections[section.link].offset
      // The first is none.
      for entry in stride(from: section.offset + 24, to: section.offset + section.size, by: 24) {
        let start = names + read(entry, UInt32.self)
        symbols.append(
          Symbol(
            name: String(decoding: bytes[start...].prefix { $0 != 0 }, as: UTF8.self),
            isUndefined: read(entry + 6, UInt16.self) == 0,
            isStrong: read(entry + 4, UInt8.self) >> 4 == 1))
      }
    }
  }
}
