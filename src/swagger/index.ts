/**
 * Reads a swagger file of etcd at run time: its messages, enums and paths, with codecs for them. So a program can call
 * RPCs that are newer than this package. Start with {@link loadSwagger}.
 *
 * @module rxetcd/swagger
 */
export { loadSwagger, type SwaggerPath, type SwaggerSpec } from './spec.js';
export type { SwaggerEnum, SwaggerList, SwaggerMessage, SwaggerObject, SwaggerScalar, SwaggerType, SwaggerValue } from './types.js';
