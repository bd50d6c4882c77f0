// Fails a test of the docs without an assertion, as it shows nothing.
beforeEach(() => expect.hasAssertions());
