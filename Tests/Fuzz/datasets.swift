import Foundation
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The files of one image in a layout: maps, then lists.
private let layouts: [(maps: [FilePath], lists: [FilePath])] = [
  (["a.m2fp.png", "a.m2fp.persons.png"], ["a.m2fp.json"]),
  (["Category_ids/a.png", "Instance_ids/a.png", "Human_ids/a.png"], ["Instance_ids/a.txt"]),
  (["TrainVal_parsing_annotations/val_segmentations/a.png"], []),
  (["global_parsing/a.png", "instance_parsing/a.png"], ["instance_parsing/a.txt"]),
  (["semantic/a.png", "part/a.png", "human/a.png"], ["part/a.json", "human/a.json"]),
  (["sub/a.png", "a.m2fp/a.png", ".a.png"], []),
  (["a.m2fp.png"], []),
]

/// Whatever the files of a data set hold, there are truths and predictions to compare, or there is a
/// reason why not.
///
/// The first byte of an input is the layout, then come the lists, each up to a zero byte; the rest is
/// what the maps show.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDatasets(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard count > 0 else { return 0 }
  let layout = Int(bytes[0]) % layouts.count
  var rest = UnsafeBufferPointer(start: bytes, count: count).dropFirst()
  let folder = FilePath("\(layout)")
  func place(_ name: FilePath) -> FilePath { folder.appending(name.components) }
  for list in layouts[layout].lists {
    let text = rest.prefix { $0 != 0 }
    rest = rest.dropFirst(text.count + 1)
    put(Array(text), at: place(list))
  }
  // Seldom a map of another size, or a file that is none.
  let oddity = rest.first ?? 0
  for (index, map) in layouts[layout].maps.enumerated() {
    let width = oddity == 255 - index ? 3 : 4
    var values = rest.prefix(width * 3).map { $0 }
    rest = rest.dropFirst(values.count)
    values += [UInt8](repeating: 0, count: width * 3 - values.count)
    let labels = LabelMap(width: width, height: 3, pixels: values)
    guard let file = try? PNGEncoder.grey(labels) else { preconditionFailure("it can be written") }
    put(oddity == 200 + index ? Array(rest) : [UInt8](file.data), at: place(map))
  }
  let tree: LabelDataset
  do throws(RunFailure) {
    tree = try LabelDataset(scratch.appending(folder.components))
  } catch {
    preconditionFailure("there are maps: \(error)")
  }
  precondition(tree.names.count == 1 && (try? tree.labels(of: "b")) == nil)
  precondition(!tree.hasPersons || tree.layout != .plain && tree.layout != .lip)
  precondition(!tree.hasParts || tree.layout != .plain && tree.layout != .lip)
  // No folder, and one without maps.
  put([], at: "none/text")
  for none in ["no folder", "none"] {
    precondition((try? LabelDataset(scratch.appending(none))) == nil)
  }
  precondition(tree.bytes(toRead: tree.names[0]) >= 0 && tree.bytes(toRead: "b") == 0)
  precondition(tree.match("a") != nil || tree.match("sub/a") != nil)
  do throws(LabelFileError) {
    let truth = try tree.truth(of: tree.names[0])
    let found = try tree.found(in: tree.names[0])
    do throws(EvaluationError) {
      var evaluation = Evaluation(classes: 20)
      evaluation.add(try ImageMetrics(truth: truth, found: found, classes: 20))
      precondition((0...1).contains(evaluation.meanIoU ?? 0))
      for index in 1..<20 { _ = evaluation.partPrecision(index) }
      _ = evaluation.personPrecision
    } catch {
      precondition(!error.description.isEmpty)
    }
  } catch {
    precondition(error.description.contains("\(error.path)") && !error.reason.isEmpty)
  }
  return 0
}
