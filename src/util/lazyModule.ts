import { defer, type Observable, of } from 'rxjs';

/** A module that is loaded when it is first needed, as not every program needs it. */
export class LazyModule<T> {
  private provided: T | undefined;

  constructor(private readonly load: () => Promise<T>) {}

  /** Emits the module. */
  readonly module$: Observable<T> = defer(() => (this.provided === undefined ? this.load() : of(this.provided)));

  /** Makes the module be emitted at once. Virtual time cannot wait for a Promise. */
  provide(module: T): void {
    this.provided = module;
  }
}
