export class Picture {}
