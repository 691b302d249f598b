// The magnifier: what is around a held point, enlarged.

export class Loupe {
  constructor(element) {
    this.element = element;
    this.image = element.firstChild;
  }

  // Show what is around a point of an image of a size, which is shown at a scale, away from the
  // pointer at a place of the stage.
  show([left, top], point, size, scale) {
    const enlarged = Math.max(scale * 2, Math.min(scale * 4, 8));
    this.element.hidden = false;
    this.element.classList.toggle("right", left < 220 && top < 220);
    const {clientWidth, clientHeight} = this.element;
    Object.assign(this.image.style, {
      width: `${size[0] * enlarged}px`, height: `${size[1] * enlarged}px`,
      transform: `translate(${clientWidth / 2 - (point[0] + 0.5) * enlarged}px, ${clientHeight / 2 - (point[1] + 0.5) * enlarged}px)`});
  }

  hide() {
    this.element.hidden = true;
  }
}
