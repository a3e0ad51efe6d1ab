/// Whatever the bytes, they are parts that lie in them one after the other, or there is a reason why not;
/// and the words of a head are words of it.
import Foundation

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMultipart(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let body = Array(UnsafeBufferPointer(start: bytes, count: count))
  do throws(Multipart.Malformed) {
    var end = 0
    for part in try Multipart.parts(body, boundary: "x") {
      precondition(part.range.lowerBound >= end && part.range.upperBound <= body.count)
      end = part.range.upperBound
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
