// What the parser takes and gives: whoever imports M2FP needs no other import.
@_exported import M2FPCore
@_exported import M2FPImageIO
@_exported import M2FPInference
