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
