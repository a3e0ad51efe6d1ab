import M2FPCore
import M2FPFiles
import M2FPResults

/// What an export tells apart in a photo.
struct ExportedInstances {
  /// A part of a person, or what is of one class and of no person.
  struct Part {
    let classIndex: Int
    /// 0 for no person.
    let person: Int
    let score: Float?
    let mask: RunLength
  }

  struct PersonMask {
    let person: Sidecar.Person
    let mask: RunLength
  }

  /// By person, best first, those of no person last; of one person by class.
  let parts: [Part]
  let persons: [PersonMask]

  init(_ photo: StoredResult) {
    var masks: [Int: RunLength] = [:]
    var personMasks: [Int: RunLength] = [:]
    let height = photo.labels.height
    // Rows of the transposed maps are columns, the order in which COCO counts.
    forEachRun(photo.labels.transposed(), photo.persons.transposed()) { x, rows, label, person in
      if label != 0 {
        masks[Int(person) << 8 | Int(label), default: RunLength()]
          .add(column: x, rows: rows, height: height)
      }
      if person != 0 {
        personMasks[Int(person), default: RunLength()].add(column: x, rows: rows, height: height)
      }
    }
    let found = photo.sidecar.persons ?? []
    var scores: [Int: Float] = [:]
    for person in found {
      for part in person.parts { scores[person.id << 8 | part.index] = part.score }
    }
    parts = masks.map { key, mask in
      Part(classIndex: key & 0xFF, person: key >> 8, score: scores[key], mask: mask)
    }.sorted { one, other in
      let (a, b) = (one.person == 0 ? .max : one.person, other.person == 0 ? .max : other.person)
      return a != b ? a < b : one.classIndex < other.classIndex
    }
    persons = found.compactMap { person in
      personMasks[person.id].map { PersonMask(person: person, mask: $0) }
    }
  }
}
