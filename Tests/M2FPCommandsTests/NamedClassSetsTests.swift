import Foundation
import M2FPCore
import Testing

@testable import M2FPCommands

struct NamedClassSetsTests {
  private func remap(to name: String, from classes: [String]) throws -> ClassRemap {
    try ClassRemap(json: Data(try #require(NamedClassSets.files[name])), modelClasses: classes)
  }

  /// The lists as they were published: CIHP's and LIP's in M2FP's repository, ATR's in SCHP's README,
  /// Sapiens' in its lite/docs/SEG_README.md, CelebAMask-HQ's in its g_mask.py.
  @Test(arguments: [
    (
      "cihp",
      """
      Background Hat Hair Gloves Sunglasses UpperClothes Dress Coat Socks Pants Torso-skin Scarf \
      Skirt Face Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe
      """
    ),
    (
      "lip",
      """
      Background Hat Hair Glove Sunglasses UpperClothes Dress Coat Socks Pants Jumpsuits Scarf \
      Skirt Face Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe
      """
    ),
    (
      "atr",
      """
      Background Hat Hair Sunglasses Upper-clothes Skirt Pants Dress Belt Left-shoe Right-shoe Face \
      Left-leg Right-leg Left-arm Right-arm Bag Scarf
      """
    ),
    (
      "sapiens",
      """
      Background Apparel Face_Neck Hair Left_Foot Left_Hand Left_Lower_Arm Left_Lower_Leg Left_Shoe \
      Left_Sock Left_Upper_Arm Left_Upper_Leg Lower_Clothing Right_Foot Right_Hand Right_Lower_Arm \
      Right_Lower_Leg Right_Shoe Right_Sock Right_Upper_Arm Right_Upper_Leg Torso Upper_Clothing \
      Lower_Lip Upper_Lip Lower_Teeth Upper_Teeth Tongue
      """
    ),
    (
      "celebamask",
      """
      background skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat \
      ear_r neck_l neck cloth
      """
    ),
  ]) func theClassesAreThosePublished(_ name: String, _ published: String) throws {
    let set = try #require(NamedClassSets.set(name))
    #expect(set.names == published.split(separator: " ").map(String.init))
    #expect(Set(set.palette).count == set.names.count)
  }

  @Test(arguments: NamedClassSets.names, NamedClassSets.names.filter { $0 != "simple" })
  func everyClassOfASetBecomesOneOfAnother(_ target: String, _ source: String) throws {
    let from = try #require(NamedClassSets.set(source))
    let to = try #require(NamedClassSets.set(target))
    let remap = try remap(to: target, from: from.names)
    #expect(remap.classes == to.names && remap.palette == to.palette)
    #expect(remap.table.count == from.names.count && remap.table[0] == 0)
    if target == source { #expect(remap.table.map(Int.init) == Array(from.names.indices)) }
    // Sides are never mixed up.
    for (index, name) in from.names.enumerated() {
      let new = to.names[Int(remap.table[index])].lowercased()
      if name.lowercased().hasPrefix("left") { #expect(!new.hasPrefix("right")) }
      if name.lowercased().hasPrefix("right") { #expect(!new.hasPrefix("left")) }
    }
  }

  /// A name may mean different things: the torso is skin in Sapiens' classes, and what covers it in
  /// PASCAL-Person-Part's, which SCHP spells in its own way.
  @Test func aNameIsReadAsItsSetMeansIt() throws {
    func becomes(_ name: String, of classes: [String]) throws -> String {
      let index = try #require(classes.firstIndex(of: name))
      let remap = try remap(to: "cihp", from: classes)
      return remap.classes[Int(remap.table[index])]
    }
    let schp = [
      "Background", "Head", "Torso", "Upper Arms", "Lower Arms", "Upper Legs", "Lower Legs",
    ]
    #expect(try becomes("Torso", of: schp) == "UpperClothes")
    let sapiens = try #require(NamedClassSets.set("sapiens")).names
    #expect(try becomes("Torso", of: sapiens) == "Torso-skin")
    #expect(try becomes("Left_Hand", of: sapiens) == "Left-arm")
    #expect(try remap(to: "pascal", from: schp).table == [0, 2, 4, 6, 1, 3, 5])
  }
}
