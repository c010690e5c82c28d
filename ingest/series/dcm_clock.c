/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_clock.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define DAY 86400.0

/* n digits as a number; -1 when any is none. */
static int digits(const char *text, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		v = v * 10 + (text[i] - '0');
	}
	return v;
}

/* Days of the proleptic Gregorian calendar; March is the first month, so that the leap day is the
 * last of its year. */
static double days(int year, int month, int day)
{
	static const int before[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};
	static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > length[month - 1] ||
	    (month == 2 && day == 29 && !leap))
		return NAN;
	int y = month < 3 ? year - 1 : year;
	return 365.0 * y + y / 4 - y / 100 + y / 400 + before[(month + 9) % 12] + (day - 1) -
	       719468;
}

double sm_dicom_day(const char *date)
{
	size_t n = strlen(date);
	if (n == 8)
		return days(digits(date, 4), digits(date + 4, 2), digits(date + 6, 2));
	if (n == 10 && date[4] == '.' && date[7] == '.')
		return days(digits(date, 4), digits(date + 5, 2), digits(date + 8, 2));
	return NAN;
}

double sm_dicom_clock(const char *time)
{
	static const int limit[] = {23, 59, 60}, unit[] = {3600, 60, 1};
	double v = 0;
	for (int part = 0; part < 3; part++) {
		int two = digits(time, 1) < 0 ? -1 : digits(time, 2);
		if (two < 0 || two > limit[part])
			return NAN;
		v += (double)two * unit[part];
		time += 2;
		if (part < 2 && *time == ':')
			time++;
		else if (!*time)
			return v;
	}
	if (*time++ != '.')
		return NAN;
	double share = 1;
	for (int n = 0; *time >= '0' && *time <= '9' && n < 6; time++, n++) {
		share /= 10;
		v += (*time - '0') * share;
	}
	return *time ? NAN : v;
}

/* Seconds of "+HHMM" or "-HHMM"; NAN when it is none. */
static double offset_of(const char *zone)
{
	int h = strlen(zone) == 5 ? digits(zone + 1, 2) : -1, m = h < 0 ? -1 : digits(zone + 3, 2);
	if (m < 0 || h > 14 || m > 59 || (*zone != '+' && *zone != '-'))
		return NAN;
	return (*zone == '-' ? -1 : 1) * (3600.0 * h + 60.0 * m);
}

double sm_dicom_moment(const char *moment, const char *zone)
{
	char date[9], clock[20];
	size_t n = strcspn(moment, "+-");
	if (n < 10 || n - 8 >= sizeof clock)
		return NAN;
	memcpy(date, moment, 8);
	date[8] = 0;
	memcpy(clock, moment + 8, n - 8);
	clock[n - 8] = 0;
	double at = sm_dicom_day(date) * DAY + sm_dicom_clock(clock);
	return moment[n] ? at - offset_of(moment + n) + offset_of(zone) : at;
}
