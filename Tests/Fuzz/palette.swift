import M2FPCore

/// A palette that is read holds 1 to 256 colours, and reads the same when it is written down again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPalette(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let text = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  do {
    let colours = try Palette(parsing: text).colours
    precondition((1...Palette.largest).contains(colours.count))
    let lines = colours.map(\.hex).joined(separator: "\n")
    let json = colours.map { "[\($0.red), \($0.green), \($0.blue)]" }.joined(separator: ",\n")
    for text in [lines, "[\(json)]"] {
      precondition((try? Palette(parsing: text).colours) == colours)
    }
  } catch {
    precondition(!error.problem.isEmpty && (error.line ?? 1) >= 1)
  }
  return 0
}
