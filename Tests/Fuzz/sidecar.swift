import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults

/// A sidecar may be forged: what is read of it can be written again, and put together with a class map
/// of its size, or is refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSidecar(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let text = Array(UnsafeBufferPointer(start: bytes, count: count))
  let header = SidecarHeader(text)
  guard let sidecar = try? JSONDecoder().decode(Sidecar.self, from: Data(text)) else { return 0 }
  if let header { precondition(header.outputs.count <= sidecar.outputs.count) }
  _ = try? sidecar.encoded()
  _ = sidecar.renamed(input: "b.jpg", from: [], to: Array("b".utf8))
  let (width, height) = (sidecar.input.width, sidecar.input.height)
  guard width.multipliedReportingOverflow(by: height).partialValue <= 4096 else { return 0 }
  for value in [0, 1, 255] as [UInt8] {
    let labels = LabelMap(
      width: width, height: height, pixels: [UInt8](repeating: value, count: width * height))
    let names = sidecar.raw?.names ?? sidecar.labels?.names ?? []
    guard let result = ParsingResult(sidecar.found, labels: labels, classes: names.count) else {
      continue
    }
    _ = Sidecar.Raw(result, names: names)
  }
  return 0
}
