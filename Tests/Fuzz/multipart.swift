/// Whatever the bytes, they are parts that lie in them one after the other, or there is a reason why not;
/// and the words of a head are words of it.
import Foundation

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMultipart(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let body = Array(UnsafeBufferPointer(start: bytes, count: count))
  do throws(Multipart.Malformed) {
    var end = 0
    var files: [Multipart.File] = []
    for part in try Multipart.parts(body, boundary: "x") {
      precondition(part.range.lowerBound >= end && part.range.upperBound <= body.count)
      end = part.range.upperBound
      files.append(
        Multipart.File(name: "a", type: "image/png", bytes: Data(body[part.range])))
    }
    // What is put together is taken apart again.
    let boundary = "no-part-holds-this"
    let whole = Array(Multipart.body(files, boundary: boundary))
    if Multipart.find(Array(boundary.utf8), in: body, from: 0) == nil, !files.isEmpty {
      let again = try Multipart.parts(whole, boundary: boundary)
      precondition(again.map { Data(whole[$0.range]) } == files.map(\.bytes))
      precondition(again.allSatisfy { $0.filename == "a" })
    }
  } catch {
    precondition(!error.reason.isEmpty)
  }
  let head = String(decoding: body, as: UTF8.self)
  if let boundary = Multipart.boundary(head) {
    precondition((1...70).contains(boundary.utf8.count))
  }
  return 0
}
