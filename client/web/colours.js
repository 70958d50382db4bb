// Colours that tell apart what they should to every eye.
export {};
