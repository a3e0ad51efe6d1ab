/// Sixteen bytes from anywhere in memory.
@inline(__always)
func loadBytes(_ source: UnsafePointer<UInt8>) -> SIMD16<UInt8> {
  UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt8>.self)
}

/// Sixteen bytes to anywhere in memory.
@inline(__always)
func storeBytes(_ value: SIMD16<UInt8>, _ target: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(target).storeBytes(of: value, as: SIMD16<UInt8>.self)
}

/// Whether all sixteen bytes are alike: SIMD16's own `==` compares them one by one.
@inline(__always)
func areEqual(_ a: SIMD16<UInt8>, _ b: SIMD16<UInt8>) -> Bool {
  let (a, b) = (
    unsafeBitCast(a, to: SIMD2<UInt64>.self), unsafeBitCast(b, to: SIMD2<UInt64>.self)
  )
  return a.x == b.x && a.y == b.y
}
