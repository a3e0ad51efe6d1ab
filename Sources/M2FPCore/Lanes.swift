/// Vectors that the row kernels work in: 16 pixels at a time.
typealias Lanes = SIMD16<Float>

/// exp(x) to about 2 units in the last place, for x ≤ 88; 0 below −87.
///
/// Cody–Waite reduction to |r| ≤ ln 2 / 2 and a polynomial of degree 6 (the Taylor coefficients
/// through r⁶, whose remainder is under 1e-7 there), scaled by 2ⁿ through the exponent bits.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
  let clamped = x.replacing(with: -87, where: x .< -87)
  // Adding 1.5·2²³ rounds to an integer, which then sits in the low bits of the significand.
  let shifter = Lanes(repeating: 12_582_912)
  let shifted = clamped * 1.442_695_04 + shifter
  let n = shifted - shifter
  let r = (clamped - n * 0.693_359_375) - n * -2.121_944_4e-4
  var p = Lanes(repeating: 1.388_888_9e-3)
  p = p * r + 8.333_333_3e-3
  p = p * r + 4.166_666_7e-2
  p = p * r + 1.666_666_7e-1
  p = p * r + 0.5
  p = p * r + 1
  p = p * r + 1
  let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< 23
  return unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Lanes.self)
}

/// 1 / (1 + exp(−x)).
@inline(__always)
func logistic(_ x: Lanes) -> Lanes {
  let capped = x.replacing(with: -88, where: x .< -88)
  return 1 / (1 + exponential(-capped))
}

/// exp(−x) for x ≥ 0, off by at most 1e-6: half the work of ``exponential(_:)``.
///
/// (1 − y + y²/2 − y³/6)⁶⁴ with y = x/64, whose error is about exp(−x)·x⁴/(24·64³), largest at x = 4.
@inline(__always)
func decay(_ x: Lanes) -> Lanes {
  let capped = x.replacing(with: 32, where: x .> 32)
  var p = capped * Float(-1 / (6 * 64.0 * 64 * 64)) + Float(1 / (2 * 64.0 * 64))
  p = p * capped - Float(1 / 64.0)
  p = p * capped + 1
  p *= p
  p *= p
  p *= p
  p *= p
  p *= p
  return p * p
}

/// exp(x) of one number, with the accuracy and range of the vector version.
func exponential(_ x: Float) -> Float {
  exponential(Lanes(repeating: x))[0]
}

@inline(__always)
func loadLanes(_ source: UnsafePointer<Float>) -> Lanes {
  UnsafeRawPointer(source).loadUnaligned(as: Lanes.self)
}

@inline(__always)
func storeLanes(_ value: Lanes, _ target: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(target).storeBytes(of: value, as: Lanes.self)
}

/// All ones in the lanes of a mask that are true.
@inline(__always)
func laneBits(_ mask: SIMDMask<SIMD16<Int32>>) -> SIMD16<Int32> {
  unsafeBitCast(mask, to: SIMD16<Int32>.self)
}

/// Whether any lane is true. (The standard library's `any` reduces lane by lane.)
@inline(__always)
func anyLane(_ mask: SIMDMask<SIMD16<Int32>>) -> Bool {
  let bits = unsafeBitCast(mask, to: SIMD8<UInt64>.self)
  let half = bits.lowHalf | bits.highHalf
  let quarter = half.lowHalf | half.highHalf
  return (quarter.x | quarter.y) != 0
}

/// A logit whose logistic function is just below `probability` (between 0 and 1): a safe bound for
/// leaving out interpolated values, rounding included.
func logit(_ probability: Float) -> Float {
  var (low, high): (Float, Float) = (-80, 80)
  for _ in 0..<32 {
    let middle = (low + high) / 2
    if logistic(Lanes(repeating: middle))[0] < probability { low = middle } else { high = middle }
  }
  return low - 1e-3 * max(1, abs(low))
}

@inline(__always)
func loadBytes(_ source: UnsafePointer<UInt8>) -> SIMD16<UInt8> {
  UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt8>.self)
}

@inline(__always)
func storeBytes(_ value: SIMD16<UInt8>, _ target: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(target).storeBytes(of: value, as: SIMD16<UInt8>.self)
}

/// Small non-negative whole numbers as bytes.
@inline(__always)
func bytes(_ lanes: Lanes) -> SIMD16<UInt8> {
  // Adding 2²³ leaves the number in the low bits of the significand.
  SIMD16<UInt8>(truncatingIfNeeded: unsafeBitCast(lanes + 8_388_608, to: SIMD16<Int32>.self))
}
