/* SPDX-License-Identifier: Apache-2.0
 *
 * Dates and times of DICOM (DA, TM, DT) as seconds. For differences only: no output may hold one.
 */
#ifndef SM_INGEST_SERIES_DCM_CLOCK_H
#define SM_INGEST_SERIES_DCM_CLOCK_H

/* Days from 1970-01-01 of a date YYYYMMDD (or YYYY.MM.DD, as before 1993); NAN when it is none. */
double sm_dicom_day(const char *date);

/* Seconds since midnight of a time HH[MM[SS[.FFFFFF]]] (or HH:MM:SS); NAN when it is none. 60 s are
 * allowed (leap second). */
double sm_dicom_clock(const char *time);

/* Seconds from 1970-01-01 00:00 of a date and time YYYYMMDDHH[MM[SS[.FFFFFF]]], on the clock of the
 * place; NAN when it is none or has no hour. `zone` is TimezoneOffsetFromUTC ("+0100"), "" when
 * absent: a value with an offset of its own is put on that clock, and is NAN when there is none. */
double sm_dicom_moment(const char *moment, const char *zone);

#endif
