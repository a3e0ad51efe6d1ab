import ArgumentParser
import Glibc
import M2FPFiles
import SystemPackage

/// Paths on the command line are bytes, and the argument parser knows texts: what is not UTF-8 goes
/// through it as characters for private use, one a byte.
enum PathArgument {
  /// The characters that stand for the bytes 0 to 255, the last of Unicode's.
  private static let first: UInt32 = 0x10FF00

  /// The text that stands for an argument of these bytes: what is UTF-8 stands for itself.
  static func text(of bytes: some Collection<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      var decoder = Unicode.UTF8.ForwardParser()
      var iterator = rest.makeIterator()
      switch decoder.parseScalar(from: &iterator) {
      case .valid(let encoded) where Unicode.UTF8.decode(encoded).value < first:
        text.append(Unicode.UTF8.decode(encoded))
        rest = rest.dropFirst(encoded.count)
      default:
        // Also a character that would be taken for a byte.
        text.append(Unicode.Scalar(first + UInt32(rest.removeFirst())) ?? "?")
      }
    }
    return String(text)
  }

  /// The bytes that a text stands for.
  static func bytes(of text: String) -> [UInt8] {
    text.unicodeScalars.flatMap { scalar in
      scalar.value < first ? Array(UTF8.encode(scalar) ?? .init()) : [UInt8(scalar.value - first)]
    }
  }
}

extension M2FPCommand {
  /// The process's arguments, its own name left out; in them a byte that is not UTF-8 is a character
  /// for private use.
  public static var processArguments: [String] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { index in
      CommandLine.unsafeArgv[index].map { argument in
        PathArgument.text(
          of: UnsafeRawBufferPointer(start: UnsafeRawPointer(argument), count: strlen(argument)))
      }
    }
  }
}

extension FilePath: @retroactive ExpressibleByArgument {
  /// - Returns: Nil for no path, and for one that holds a zero byte.
  public init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    self.init(bytes: PathArgument.bytes(of: argument))
  }
}
