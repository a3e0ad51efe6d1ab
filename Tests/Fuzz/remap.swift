import Foundation
import M2FPCore

private let classes = ["Background", "Hat", "Hair", "Face"]

/// A map of classes that is read gives every class of the model a new one with a colour, and any result
/// can be put into them.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRemap(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let remap: ClassRemap
  do throws(ClassRemapError) {
    remap = try ClassRemap(json: Data(bytes: bytes, count: count), modelClasses: classes)
  } catch {
    precondition(!error.description.isEmpty)
    return 0
  }
  precondition(remap.table.count == classes.count && remap.palette.count == remap.classes.count)
  precondition(remap.table.allSatisfy { Int($0) < remap.classes.count })
  let labels = LabelMap(width: 4, height: 1, pixels: [0, 1, 2, 3])
  let parts = (1...3).map { index in
    Instance(
      query: index, classIndex: index, classScore: 1, score: Float(index) / 4, pixelCount: 1,
      box: Instance.Box(x: index, y: 0, width: 1, height: 1))
  }
  let box = Instance.Box(x: 1, y: 0, width: 3, height: 1)
  let person = Person(
    score: 1, parsingScore: 0.5, pixelCount: 3, box: box,
    parts: parts.map {
      Person.Part(classIndex: $0.classIndex, score: $0.score, pixelCount: 1, box: $0.box ?? box)
    })
  let result = ParsingResult(
    labels: labels, parts: parts, humans: [],
    persons: Persons(
      map: LabelMap(width: 4, height: 1, pixels: [0, 1, 1, 1]), list: [person]),
    classPixelCounts: [1, 1, 1, 1], classScores: [nil, 0.25, 0.5, 0.75])
  let remapped = result.remapped(by: remap)
  precondition(remapped.classPixelCounts.reduce(0, +) == 4)
  precondition(remapped.labels.pixels.elementsEqual(remap.table))
  let map = IndexMap(width: 5, height: 1, pixels: [0, 1, 2, 3, 255]).remapped(by: remap)
  precondition(map.pixels == remap.table.map { UInt16($0) } + [255])
  precondition(remapped.parts.allSatisfy { (1..<remap.classes.count).contains($0.classIndex) })
  return 0
}
