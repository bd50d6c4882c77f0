/**
 * The enums of etcd's API, as lists of the names of their values. The place of a name is its number, and the first is
 * the default. Each list has a type of the same name.
 *
 * @module
 */

/** The orders of a sorted range. */
export const SortOrder = ['NONE', 'ASCEND', 'DESCEND'] as const;
/** An order of a sorted range. */
export type SortOrder = (typeof SortOrder)[number];

/** The fields by which a range can be sorted. */
export const SortTarget = ['KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'] as const;
/** A field by which a range can be sorted. */
export type SortTarget = (typeof SortTarget)[number];

/** The operators of a compare. */
export const CompareResult = ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'] as const;
/** An operator of a compare. */
export type CompareResult = (typeof CompareResult)[number];

/** The fields that a compare can look at. */
export const CompareTarget = ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE'] as const;
/** A field that a compare can look at. */
export type CompareTarget = (typeof CompareTarget)[number];

/** The kinds of alarms. `NONE` stands for any kind. */
export const AlarmType = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
/** A kind of alarm. */
export type AlarmType = (typeof AlarmType)[number];

/** The kinds of access that a permission can grant. */
export const PermissionType = ['READ', 'WRITE', 'READWRITE'] as const;
/** The kind of access that a permission grants. */
export type PermissionType = (typeof PermissionType)[number];

/** The actions of a downgrade. */
export const DowngradeAction = ['VALIDATE', 'ENABLE', 'CANCEL'] as const;
/** An action of a downgrade. */
export type DowngradeAction = (typeof DowngradeAction)[number];
