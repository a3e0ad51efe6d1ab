import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

private let file = PlannedFile(
  input: Input(path: scratch.appending("photos/a.png"), relativePath: "a.png"),
  outputs: OutputNames(folder: scratch.appending("photos"), stem: Array("a".utf8)))

private let remap = ClassRemap(
  classes: ["Background", "Head"], palette: [RGB(0, 0, 0), RGB(9, 9, 9)], table: [0, 1, 1, 0])

/// What lies beside a photo may be forged: it is a result that can be exported, rendered and corrected,
/// or there is a reason why not; and nothing is removed but its outputs.
///
/// An input is a sidecar's text, in which `@map` stands for the digest of the class map, and behind a
/// zero byte what the maps show.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzResults(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let text = Array(UnsafeBufferPointer(start: bytes, count: count).prefix { $0 != 0 })
  var input = FuzzInput(bytes + text.count, count - text.count)
  let header = SidecarHeader(text)
  guard let sidecar = try? JSONDecoder().decode(Sidecar.self, from: Data(text)) else { return 0 }
  if let header { precondition(header.outputs.count <= sidecar.outputs.count) }
  _ = try? sidecar.encoded()
  let (width, height) = (sidecar.input.width, sidecar.input.height)
  guard width <= 64, height <= 64 else { return 0 }

  func map() -> LabelMap {
    LabelMap(width: width, height: height, pixels: input.fill(width * height, below: 5))
  }
  let (labels, persons) = (map(), map())
  let photo = RGBImage(
    width: width, height: height, pixels: (0..<width * height * 3).map { UInt8($0 % 251) })
  let placed = String(decoding: text, as: UTF8.self)
    .replacingOccurrences(of: "@map", with: labels.digest)
  put(Array(placed.utf8), at: "photos/a.m2fp.json")
  do throws(FileFailure) {
    put([UInt8](try PNGEncoder.rgb(photo).data), at: "photos/a.png")
    put([UInt8](try PNGEncoder.grey(labels).data), at: "photos/a.m2fp.png")
    put([UInt8](try PNGEncoder.grey(persons).data), at: "photos/a.m2fp.persons.png")
  } catch {
    preconditionFailure("it can be written: \(error)")
  }
  checkExports(labels)
  for classes in [.asTheyAre, .remapped(nil), .remapped(remap)] as [RestoredResult.Classes] {
    checkRendering(classes, labels, photo)
  }
  checkRemoval(sidecar)
  return 0
}

private func checkExports(_ labels: LabelMap) {
  let stored: StoredResult
  do throws(FileFailure) {
    stored = try StoredResult(file)
  } catch {
    precondition(!error.message.isEmpty)
    return
  }
  precondition(stored.labels == labels)
  let exporter = Exporter(
    Exporter.Context(
      classes: ["Background", "Hat", "Hair", "Face", "<Dress>"],
      palette: Array(Palette.voc.colours.prefix(5)), model: "m", generator: "m2fp"), threads: 1)
  let requests = ExportRequest.Kind.allCases.map {
    ExportRequest($0, path: scratch.appending($0.rawValue))
  }
  do throws(RunFailure) {
    try Exporter.check(
      requests, files: [file], inputs: [file.outputs.folder], probing: true)
    for request in requests {
      let summary = try exporter.run(request, files: [file], failures: [:])
      precondition(summary.photos + summary.leftOut == 1)
    }
  } catch {
    preconditionFailure("there is room: \(error)")
  }
  guard let coco = FileManager.default.contents(atPath: scratch.appending("coco").string),
    let copy = FileManager.default.contents(atPath: scratch.appending("labels/a.png").string)
  else { preconditionFailure("they are there") }
  precondition((try? JSONSerialization.jsonObject(with: coco)) != nil)
  let values = try? ImageDecoder.labels([UInt8](copy)).pixels
  precondition(values == labels.pixels.map(UInt16.init))
}

private func checkRendering(
  _ classes: RestoredResult.Classes, _ labels: LabelMap, _ photo: RGBImage
) {
  let restored: RestoredResult
  do throws(FileFailure) {
    restored = try RestoredResult(file.outputs, in: classes)
  } catch {
    precondition(!error.message.isEmpty)
    return
  }
  var selection = OutputSelection()
  selection.palette = Palette.persons.colours
  selection.masks = Set(1..<restored.labels.names.count)
  selection.personMasks = selection.masks
  selection.overlay = OverlayStyle()
  selection.cutout = .init(classes: [1], perPerson: true)
  let encoder = ResultEncoder(selection, classes: restored.labels.names)
  do throws(FileFailure) {
    for output in try encoder.encode(of: restored.result, photo: photo) {
      precondition(OutputNames.isOutput(suffix: pathWithoutStem(output.kind)))
    }
  } catch {
    precondition(error.stage == .encode && !error.message.isEmpty)
  }
  let summary = ResultSummary(restored.result, classes: restored.labels.names, masks: true)
  precondition(
    ParsingResult(
      summary, labels: restored.result.labels, classes: restored.labels.names.count) != nil)
}

private func pathWithoutStem(_ kind: OutputKind) -> FilePath {
  OutputNames(folder: "", stem: []).path(of: kind)
}

/// Of a folder's files only the photo's outputs go.
private func checkRemoval(_ sidecar: Sidecar) {
  let others: [FilePath] = ["photos/a.png", "photos/b.m2fp.png", "kept", "photos/a.m2fp/own.txt"]
  for other in others.dropFirst() { put([], at: other) }
  guard let folder = try? OpenFolder(file.outputs.folder) else {
    preconditionFailure("it is there")
  }
  let stale = StaleOutputs(
    file.outputs, in: folder, previous: sidecar, slugs: ["hat"], keeping: [file.outputs.map])
  precondition(stale.existing() == stale.remove())
  file.outputs.restrict(sidecar.outputs, in: folder, to: .standard)
  for other in others {
    precondition(FileManager.default.fileExists(atPath: scratch.appending(other.components).string))
  }
}
