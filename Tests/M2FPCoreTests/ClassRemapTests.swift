import Foundation
import M2FPCore
import Testing

@Suite struct ClassRemapTests {
  private let classes = ["Background", "Hat", "Hair", "UpperClothes", "Coat"]

  private func remap(_ json: String) throws(ClassRemapError) -> ClassRemap {
    try ClassRemap(json: Data(json.utf8), modelClasses: classes)
  }

  @Test func namesAreMatchedLoosely() throws {
    let remap = try remap(
      """
      {"classes": ["None", "Head", "Clothes", "Coat"], "palette": [[0,0,0],[1,2,3],[4,5,6],[7,8,9]],
       "map": {"hat": "Head", "Hair": "head", "upper-clothes": "Clothes", "Tail": "Head"}}
      """)
    #expect(remap.table == [0, 1, 1, 2, 3], "a class that is not listed keeps its name")
    #expect(remap.palette[3] == RGB(7, 8, 9))
  }

  @Test func theFirstMapThatKnowsAllClassesCounts() throws {
    let remap = try remap(
      """
      {"classes": ["None", "A", "B"], "map": [{"Hat": "A", "Hair": "A", "Coat": "A"},
       {"Hat": "B", "Hair": "A", "UpperClothes": "B", "Coat": "B"},
       {"Hat": "A", "Hair": "B", "UpperClothes": "A", "Coat": "A"}]}
      """)
    #expect(remap.table == [0, 2, 1, 2, 2])
    let map = IndexMap(width: 3, height: 1, pixels: [4, 2, 255])
    #expect(map.remapped(by: remap).pixels == [2, 1, 255])
  }

  @Test(arguments: [
    (#"{"classes": ["a", "b"], "map": []}"#, "no \"map\""),
    (#"{"classes": ["a", "b"]}"#, "no \"map\""),
    (#"{"classes": ["a", "b"], "map": [{"Hat": "b"}, {}]}"#, "does not say what becomes of 'Hair'"),
    (#"{"classes": ["a", "b"], "map": 3}"#, "map is not of the kind"),
    (#"{"classes": ["a", "b"], "map": {"Hat": "b"}}"#, "does not say what becomes of 'Hair'"),
    (#"{"classes": ["a", "b"], "map": {"Hat": "c"}}"#, "'Hat' becomes 'c'"),
    (#"{"classes": ["a", "A"], "map": {}}"#, "share a file name"),
    (#"{"classes": ["a"], "map": {}}"#, "1 classes"),
    (#"{"map": {}}"#, "no \"classes\""),
    (#"{"classes": "a", "map": {}}"#, "classes is not of the kind"),
    ("x", "not JSON"),
  ]) func whatIsWrongIsSaid(json: String, message: String) {
    let error = #expect(throws: ClassRemapError.self) { try remap(json) }
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test func aResultIsTurnedWhole() throws {
    func part(_ index: Int, _ score: Float) -> Instance {
      Instance(query: 0, classIndex: index, classScore: 1, score: score, pixelCount: 1, box: nil)
    }
    func found(_ index: Int, _ score: Float?, _ count: Int, x: Int) -> Person.Part {
      Person.Part(
        classIndex: index, score: score, pixelCount: count,
        box: Instance.Box(x: x, y: 0, width: count, height: 1))
    }
    let person = Person(
      score: 0.9, parsingScore: 0.5, pixelCount: 6,
      box: Instance.Box(x: 0, y: 0, width: 6, height: 1),
      parts: [found(1, 0.4, 1, x: 1), found(2, 0.6, 2, x: 3), found(4, nil, 1, x: 5)])
    let map = LabelMap(width: 6, height: 1, pixels: [1, 1, 1, 1, 1, 1])
    let result = ParsingResult(
      labels: LabelMap(width: 6, height: 1, pixels: [0, 1, 3, 2, 2, 4]),
      parts: [part(1, 0.4), part(4, 0.3), part(2, 0.6)], humans: [part(5, 0.9)],
      persons: Persons(map: map, list: [person]), classPixelCounts: [1, 1, 2, 1, 1],
      classScores: [nil, 0.4, 0.6, 0.7, nil])
    let turned = result.remapped(
      by: try remap(
        #"{"classes": ["0", "Head", "Clothes"], "map": {"Hat": "Head", "Hair": "Head", "#
          + #""UpperClothes": "Clothes", "Coat": "0"}}"#))
    #expect(turned.labels.pixels == [0, 1, 2, 1, 1, 0])
    #expect(turned.classPixelCounts == [2, 3, 1])
    #expect(turned.classScores == [nil, 0.6, 0.7])
    #expect(turned.parts.map(\.classIndex) == [1, 1])
    #expect(turned.humans.map(\.classIndex) == [3])
    #expect(turned.persons?.map == map)
    #expect(
      turned.persons?.list.first?.parts == [
        Person.Part(
          classIndex: 1, score: 0.6, pixelCount: 3,
          box: Instance.Box(x: 1, y: 0, width: 4, height: 1))
      ])
  }
}
