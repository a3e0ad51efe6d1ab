/// Whatever the bytes, they are a table or there is a line that says why not; and a table can be written
/// as JSON, unless it holds what JSON has not.
import Foundation

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTOML(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let text = UnsafeBufferPointer(start: bytes, count: count)
  do throws(TOML.SyntaxError) {
    let table = try TOML.table(text)
    for entry in table.entries { precondition(table[entry.key] != nil && entry.line >= 1) }
    if let json = try? JSONEncoder().encode(table) {
      precondition((try? JSONSerialization.jsonObject(with: json)) != nil)
    }
  } catch {
    precondition(!error.message.isEmpty)
    precondition((1...1 + text.count { $0 == UInt8(ascii: "\n") }).contains(error.line))
  }
  return 0
}
