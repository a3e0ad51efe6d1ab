import FoundationEssentials
import M2FPCore
import M2FPEvaluation
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Why a file of a tree cannot be used.
public struct LabelFileError: Error, Sendable, CustomStringConvertible {
  public let path: FilePath
  public let reason: String

  public init(path: FilePath, reason: String) {
    self.path = path
    self.reason = reason
  }

  public var description: String { "\(path): \(reason)" }
}

extension LabelDataset {
  /// Bytes a pixel of a map: as it is read, and what is told apart and counted in it.
  private static let mapBytes = 8

  /// Bytes that are held at most while an image is read and measured, as far as its files tell; 0 for none.
  package func bytes(toRead name: FilePath?) -> Int {
    guard let name, let files = files[name] else { return 0 }
    let maps = [files.labels, files.parts, files.persons].compactMap(\.self).map { path in
      PictureSize(path, following: .all, limit: Sidecar.sizeLimit).map {
        $0.fileSize + min($0.pixels, Self.limits.maxPixels) * Self.mapBytes
      } ?? 0
    }
    let lists = [files.partList, files.personList].compactMap(\.self).map { path in
      Sidecar.bytesToDecode(FileStamp(path: path)?.size ?? 0)
    }
    return (maps + lists).reduce(0, +)
  }

  /// Far beyond any photo, and still to be held in memory.
  private static let limits = ImageLimits(maxPixels: 1_000_000_000)

  /// The class map of an image of the tree.
  public func labels(of name: FilePath) throws(LabelFileError) -> IndexMap {
    try map(at: files(of: name).labels)
  }

  /// The names of the classes that an image's map shows, the background's first, as its sidecar tells
  /// them; nil where there is none that does.
  public func classes(of name: FilePath) throws(LabelFileError) -> [String]? {
    guard layout == .m2fp, let path = try files(of: name).personList else { return nil }
    let sidecar: LabelNames = try json(at: path)
    return sidecar.labels?.names
  }

  /// What is needed of a sidecar.
  private struct LabelNames: Decodable {
    let labels: Labels?

    struct Labels: Decodable {
      let names: [String]
    }
  }

  /// An image of the tree, taken for the truth. What are predictions by their layout can be the
  /// truth, too, for others: their scores do not count.
  ///
  /// Of a map of persons every value is one, but for 0 and ``Confusion/ignored``.
  public func truth(of name: FilePath) throws(LabelFileError) -> GroundTruth {
    let files = try files(of: name)
    switch layout {
    case .m2fp, .challenge, .published:
      let found = try found(in: name)
      return GroundTruth(labels: found.labels, parts: found.parts, persons: found.persons)
    case .cihp, .lip, .plain:
      break
    }
    var parts: InstanceMap?
    if let path = files.parts, let list = files.partList {
      // Each line is "part class person".
      let rows = try numbers(at: list, columns: 2...)
      parts = InstanceMap(
        ids: try map(at: path),
        instances: rows.map { InstanceMap.Instance(id: Int($0[0]), classIndex: Int($0[1])) })
    }
    var persons: InstanceMap?
    if let path = files.persons {
      let ids = try map(at: path)
      let present = Set(ids.pixels).subtracting([0, UInt16(Confusion.ignored)]).sorted()
      persons = InstanceMap(ids: ids, instances: present.map { InstanceMap.Instance(id: Int($0)) })
    }
    return GroundTruth(labels: try map(at: files.labels), parts: parts, persons: persons)
  }

  /// An image of the tree, taken for a prediction.
  public func found(in name: FilePath) throws(LabelFileError) -> Prediction {
    let files = try files(of: name)
    let labels = try map(at: files.labels)
    switch layout {
    case .m2fp:
      return try foundByM2FP(files, labels)
    case .challenge:
      var parts: InstanceMap?
      if let path = files.parts, let list = files.partList {
        // The line number is the part; the line is "class score".
        let rows = try numbers(at: list, columns: 2...)
        parts = InstanceMap(
          ids: try map(at: path),
          instances: rows.enumerated().map {
            InstanceMap.Instance(id: $0 + 1, classIndex: Int($1[0]), score: $1[1])
          })
      }
      return Prediction(labels: labels, parts: parts)
    case .published:
      var (parts, persons): (InstanceMap?, InstanceMap?)
      if let path = files.parts, let list = files.partList {
        let rows: [PublishedPart] = try json(at: list)
        parts = InstanceMap(
          ids: try map(at: path),
          instances: rows.map {
            InstanceMap.Instance(id: $0.part_id, classIndex: $0.category_id, score: $0.score)
          })
      }
      if let path = files.persons, let list = files.personList {
        let rows: [PublishedPerson] = try json(at: list)
        persons = InstanceMap(
          ids: try map(at: path),
          instances: rows.map { InstanceMap.Instance(id: $0.human_id, score: $0.score) })
      }
      return Prediction(labels: labels, parts: parts, persons: persons)
    case .cihp, .lip, .plain:
      return Prediction(labels: labels)
    }
  }

  /// Persons as the sidecar scores them; a part is what the class map shows within a person.
  private func foundByM2FP(
    _ files: Files, _ labels: IndexMap
  ) throws(LabelFileError) -> Prediction {
    guard let path = files.persons, let list = files.personList else {
      return Prediction(labels: labels)
    }
    let map = try map(at: path)
    let sidecar: Sidecar = try json(at: list)
    let persons = sidecar.persons ?? []
    guard map.width == labels.width, map.height == labels.height else {
      throw LabelFileError(path: path, reason: "is not of the size of \(files.labels)")
    }
    for (map, file) in [(map, path), (labels, files.labels)]
    where map.pixels.contains(where: { $0 > 255 }) {
      throw LabelFileError(path: file, reason: "is not a map of 8 bits, as m2fp writes them")
    }
    func partID(_ person: Int, _ label: Int) -> Int { person << 8 | label }
    let parts = IndexMap(
      width: map.width, height: map.height,
      pixels: zip(map.pixels, labels.pixels).map { person, label in
        person > 0 && label > 0 ? UInt16(truncatingIfNeeded: partID(Int(person), Int(label))) : 0
      })
    return Prediction(
      labels: labels,
      parts: InstanceMap(
        ids: parts,
        instances: persons.flatMap { person in
          person.parts.map {
            InstanceMap.Instance(
              id: partID(person.id, $0.index), classIndex: $0.index,
              score: Double($0.score ?? person.score))
          }
        }),
      persons: InstanceMap(
        ids: map,
        instances: persons.map { InstanceMap.Instance(id: $0.id, score: Double($0.score)) }),
      parsings: InstanceMap(
        ids: map,
        instances: persons.map { InstanceMap.Instance(id: $0.id, score: Double($0.parsingScore)) }))
  }

  private struct PublishedPart: Decodable {
    let part_id: Int
    let category_id: Int
    let score: Double
  }

  private struct PublishedPerson: Decodable {
    let human_id: Int
    let score: Double
  }

  private func files(of name: FilePath) throws(LabelFileError) -> Files {
    guard let files = files[name] else {
      throw LabelFileError(path: folder.appending(name.components), reason: "no such image")
    }
    return files
  }

  private func map(at path: FilePath) throws(LabelFileError) -> IndexMap {
    let bytes = [UInt8](try contents(of: path))
    do throws(FileFailure) {
      return try ImageDecoder.labels(bytes, limits: Self.limits)
    } catch {
      throw LabelFileError(path: path, reason: error.message)
    }
  }

  private func json<Value: Decodable>(at path: FilePath) throws(LabelFileError) -> Value {
    let data = try contents(of: path)
    do {
      return try JSONDecoder().decode(Value.self, from: data)
    } catch {
      throw LabelFileError(path: path, reason: "not the JSON that is wanted (\(error))")
    }
  }

  /// The numbers of each line.
  private func numbers(
    at path: FilePath, columns: PartialRangeFrom<Int>
  ) throws(LabelFileError) -> [[Double]] {
    var rows: [[Double]] = []
    // By bytes: a carriage return before a line feed is one character with it.
    let lines = try contents(of: path).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let words = line.split {
        [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains($0)
      }
      if words.isEmpty { continue }
      let numbers = words.compactMap { Double(String(decoding: $0, as: UTF8.self)) }
      guard numbers.count == words.count, columns ~= numbers.count,
        numbers.allSatisfy({ $0.isFinite && abs($0) < 1e9 })
      else {
        throw LabelFileError(
          path: path, reason: "line \(index + 1) is not \(columns.lowerBound) numbers or more")
      }
      rows.append(numbers)
    }
    return rows
  }

  private func contents(of path: FilePath) throws(LabelFileError) -> Data {
    do {
      return Data(try FileReader.read(path, limit: Sidecar.sizeLimit).bytes)
    } catch {
      throw LabelFileError(path: path, reason: error.message)
    }
  }
}
