import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

private let file = planned("a")

private func planned(_ name: String) -> PlannedFile {
  PlannedFile(
    input: Input(
      path: scratch.appending("photos/\(name).png"), relativePath: FilePath("sub/\(name)<&>.png")),
    outputs: OutputNames(folder: scratch.appending("photos"), stem: Array(name.utf8)))
}

private let memory = WeightedSemaphore(capacity: 1 << 30)

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
  let end = min(text.count + 1, count)
  var input = FuzzInput(bytes + end, count - end)
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
  // As large as they are said to be.
  for output in sidecar.outputs.prefix(9) where output.size <= 4096 && output.path.length < 200 {
    guard let kind = file.outputs.kind(of: output.path), kind != .labelMap else { continue }
    put(
      [UInt8](repeating: 0, count: output.size),
      at: ("photos" as FilePath).appending(output.path.components))
  }
  for classes in [.asTheyAre, .remapped(nil), .remapped(remap)] as [RestoredResult.Classes] {
    checkRendering(classes, photo, &input)
  }
  checkClassMap(sidecar)
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
      palette: Array(Palette.voc.colours.prefix(5)), model: "m", version: "1",
      explain: { $0.message }), threads: 1)
  let requests =
    ExportRequest.Kind.allCases.map {
      ExportRequest($0, path: scratch.appending("exports").appending($0.rawValue))
    } + [ExportRequest(.sheet, path: scratch.appending("exports/sheet.html"))]
  // One that has no results.
  let files = [file, planned("none")]
  do throws(RunFailure) {
    try Exporter.check(requests, files: files, probing: true)
    for request in requests {
      let summary = try exporter.run(request, files: files, failures: [:], memory: memory)
      precondition(summary.photos == 1 && summary.failures.map(\.path) == [files[1].input.path])
    }
  } catch {
    preconditionFailure("there is room: \(error)")
  }
  checkRefusals(requests, exporter)
  guard let coco = FileManager.default.contents(atPath: scratch.appending("exports/coco").string),
    let copy = FileManager.default.contents(
      atPath: scratch.appending("exports/labels/sub/a.png").string)
  else { preconditionFailure("they are there") }
  precondition((try? JSONSerialization.jsonObject(with: coco)) != nil)
  let values = try? ImageDecoder.labels([UInt8](copy)).pixels
  precondition(values == labels.pixels.map(UInt16.init))
}

/// What is no place for an export, and what would be two photos in one place.
private func checkRefusals(_ requests: [ExportRequest], _ exporter: Exporter) {
  func refuses(_ requests: [ExportRequest], _ files: [PlannedFile] = [file]) -> Bool {
    do throws(RunFailure) {
      try Exporter.check(requests, files: files, probing: false)
      return false
    } catch {
      return !error.message.isEmpty
    }
  }
  precondition(refuses([ExportRequest(.coco, path: scratch.appending("photos"))]))
  precondition(refuses([ExportRequest(.lip, path: scratch.appending("photos"))]))
  // Nor where an export was that is parsed.
  let mark = scratch.appending("photos").appending(AtomicFolder.marker)
  FileManager.default.createFile(atPath: mark.string, contents: nil)
  precondition(refuses([ExportRequest(.lip, path: scratch.appending("photos"))]))
  try? FileManager.default.removeItem(atPath: mark.string)
  precondition(requests.allSatisfy { $0.kind == .labels || $0.kind == .sheet || $0.needsPersons })
  precondition(refuses(requests, [file, file]))
  let missing = ExportRequest(.coco, path: scratch.appending("photos/a.png/coco"))
  precondition((try? exporter.run(missing, files: [], failures: [:], memory: memory)) == nil)
}

private func checkRendering(
  _ classes: RestoredResult.Classes, _ photo: RGBImage, _ input: inout FuzzInput
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
  vary(&selection, restored.labels.names, photo, &input)
  let result = restored.result
  precondition(restored.isEdited == (restored.labels.edited != nil) && selection.needsPhoto)
  precondition(!OutputSelection().needsPhoto)
  if result.labels.width % 2 == 0 {
    selection.overlay?.outlines = true
    selection.overlay?.font = font
    selection.overlay?.format = .png
    selection.cutout?.perPerson = false
  }
  selection.personMap = result.labels.height % 2 == 0
  let encoder = ResultEncoder(selection, classes: restored.labels.names)
  do throws(FileFailure) {
    for output in try encoder.encode(of: result, photo: photo) {
      precondition(OutputNames.isOutput(suffix: pathWithoutStem(output.kind)))
      precondition(!output.kind.showsPhoto || selection.needsPhoto)
      precondition(
        !String(describing: output.kind).hasPrefix("person") || selection.tellsPersonsApart)
    }
  } catch {
    precondition(error.stage == .encode && !error.message.isEmpty)
  }
  // What is no font is none.
  precondition(Font(path: file.input.path.string) == nil && Font(path: "/none") == nil)
  for kind in [.cutout, .mask("none"), .personMap, .personCutout(300), .obscured(.jpeg)]
    as [OutputKind]
  {
    _ = try? encoder.encode(kind, of: result, photo: nil)
    _ = try? encoder.encode(kind, of: result, photo: photo)
  }
  let summary = ResultSummary(result, classes: restored.labels.names, masks: true)
  precondition(
    ParsingResult(summary, labels: result.labels, classes: restored.labels.names.count) != nil)
  _ = Sidecar.Raw(result, names: restored.labels.names)
  checkChanges(restored, summary, encoder.kinds(of: result))
}

/// Masks are reshaped, cut-outs cropped, and parts made unrecognisable in every way that there is.
private func vary(
  _ selection: inout OutputSelection, _ names: [String], _ photo: RGBImage,
  _ input: inout FuzzInput
) {
  if input.take(0...3) > 0 {
    selection.maskOperations = MaskOperations(
      fillHoles: input.take(0...9), minRegion: input.take(0...9), smooth: input.take(0...2),
      grow: input.take(-2...2))
  }
  var style = CutoutStyle()
  style.edges = [.hard, .soft][input.take(0...1)]
  let margins: [CutoutStyle.Margin?] = [
    nil, .pixels(input.take(0...70)), .share(Double(input.take(0...8)) / 4),
  ]
  style.crop = margins[input.take(0...2)]
  let other = RGBImage(width: 400, height: 1, pixels: [UInt8](repeating: 9, count: 1200))
  let backgrounds: [CutoutStyle.Background?] = [
    nil, .colour(RGB(1, 2, 3)), .picture(photo, sha256: ""), .picture(other, sha256: ""),
  ]
  style.background = backgrounds[input.take(0...3)]
  selection.cutout?.style = style
  // Without names no class is of a head.
  let obscuring = Obscuring(
    selection.masks, of: input.take(0...1) == 0 ? names : [],
    style: Obscuring.Style.allCases[input.take(0...1)])
  selection.obscured = input.take(0...1) == 0 ? .init(obscuring) : .init(obscuring, format: .png)
}

private let font = Font.usualPaths.lazy.compactMap { Font(path: $0) }.first

/// What stays and what is made are all that is listed, and what is written of them is read again.
private func checkChanges(
  _ restored: RestoredResult, _ summary: ResultSummary, _ wanted: [OutputKind]
) {
  let old = restored.sidecar
  let shown = OutputChanges.Shown(
    labels: restored.labels, found: summary, input: old.input.sha256)
  let bare = Sidecar.Options(
    maxSide: 0, precision: nil, quality: nil, masks: [], palette: [], overlay: nil,
    persons: old.options.persons,
    cutout: .init(classes: nil, perPerson: true, style: CutoutStyle()),
    remap: old.options.remap)
  // No picture of the photo: those that are there stay.
  let none = Sidecar.Options(
    maxSide: 0, precision: nil, quality: nil, masks: [], palette: [], overlay: nil,
    persons: old.options.persons, cutout: nil, remap: old.options.remap)
  for request in [old.options, bare, none] {
    let changes = OutputChanges(
      file.outputs, wanted: wanted, request: request, shown: shown, previous: old,
      remakesAll: false)
    precondition(changes.outputs(sizes: [:]).count == changes.made.count + changes.kept.count)
    let new = Sidecar(
      version: "fuzz",
      source: Sidecar.Source(
        name: old.input.name, size: old.input.size, sha256: old.input.sha256,
        format: old.input.format, orientation: old.input.orientation, width: old.input.width,
        height: old.input.height), model: old.model, options: changes.options,
      labels: restored.labels, found: summary, raw: restored.raw,
      outputs: changes.outputs(sizes: [:]))
    guard let text = try? new.encoded(), Sidecar.text(of: new.options).count > 2 else {
      preconditionFailure("numbers are finite")
    }
    precondition((try? JSONDecoder().decode(Sidecar.self, from: text)) == new)
    _ = changes.meanwhile(old).renamed(input: "b.jpg", from: Array("a".utf8), to: Array("b".utf8))
  }
}

/// A map that is gone, cut short, or not what its sidecar tells of.
private func checkClassMap(_ sidecar: Sidecar) {
  let names = file.outputs
  precondition(Sidecar.read(names.sidecarPath) != nil)
  let record = ClassMap.Record(sidecar, names: names)
  let times = [FileStamp(path: names.mapPath)?.modified, timespec()].compactMap(\.self)
  for time in times { _ = ClassMap.state(names, record, modified: time) }
  _ = try? ClassMap.read(names.mapPath, width: 1, height: 70_000)
  put(Array("no map".utf8), at: "photos/a.m2fp.png")
  precondition(
    ClassMap.state(names, record, modified: timespec()) != .edited || record.digest.isEmpty)
  put([], at: "photos/a.m2fp.png")
  precondition(ClassMap.state(names, record, modified: timespec()) == .lost)
  put(Array("{}".utf8), at: "photos/a.m2fp.json")
  precondition((try? StoredResult(file)) == nil && Sidecar.read(names.sidecarPath) == nil)
  precondition(
    OutputNames.isOutput(names.mapPath) && OutputNames.isOutputName(Array("a.m2fp.png".utf8)))
  precondition(!OutputNames.isOutputName(Array("a.png".utf8)))
}

private func pathWithoutStem(_ kind: OutputKind) -> FilePath {
  OutputNames(folder: "", stem: []).path(of: kind)
}

/// Of a folder's files only the photo's outputs go.
private func checkRemoval(_ sidecar: Sidecar) {
  let others: [FilePath] = ["photos/a.png", "photos/b.m2fp.png", "kept", "photos/a.m2fp/own.txt"]
  for other in others.dropFirst() { put([], at: other) }
  for output in [
    "a.m2fp/person-1/hat.png", "a.m2fp/person-2.cutout.png", "a.m2fp/person-9/hat.png",
  ] {
    put([], at: ("photos" as FilePath).appending(output))
  }
  guard let folder = try? OpenFolder(file.outputs.folder) else {
    preconditionFailure("it is there")
  }
  let stale = StaleOutputs(
    file.outputs, in: folder, previous: sidecar, slugs: ["hat"], keeping: [file.outputs.map])
  precondition(stale.existing == stale.remove())
  file.outputs.restrict(sidecar.outputs, in: folder, to: .standard)
  for other in others {
    precondition(FileManager.default.fileExists(atPath: scratch.appending(other.components).string))
  }
}
