// embed MODEL.pt TORCH-FOLDER PHOTO MAP.png: parses one photo, and prints what was found.
// TORCH-FOLDER holds libM2FPTorch.so: .build/release of m2fp, or PREFIX/lib/m2fp.
import Foundation
import M2FP

let words = CommandLine.arguments
TorchLibrary.folder = .init(words[2])
let parser = try Parser(model: .file(.init(words[1])))
let worker = try parser.makeWorker(threads: 2)
let photo = [UInt8](try Data(contentsOf: URL(fileURLWithPath: words[3])))

let parsed = try worker.parse(photo)
try parsed.encode(.labelMap).data.write(to: URL(fileURLWithPath: words[4]))
for found in parsed.summary.classes { print(found.name, found.pixels) }
