/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/words.h"

#include <string.h>

#define LONGEST 40
#define MOST_DIGITS 12
#define LONGEST_NUMBER 4

/* Words of makers, models, coils, kernels, sequences and reconstructions, in lower case between
 * blanks. Common names of persons
 * must not stand here. */
static const char makers[] =
	" "
	/* makers */
	"siemens healthineers healthcare gmbh ge medical systems system philips toshiba canon "
	"hitachi fujifilm fuji uih united imaging bruker biospin hyperfine mec corporation "
	"corp inc ltd llc co ag bv nv elekta varian hologic lorad kodak agfa acuson cti cps "
	"mim software shimadzu neusoft neurologica samsung esaote mediso positron scanmill "
	"phantom pydicom offis qiicr pmod technologies unknown mirada invicro "
	/* models */
	"magnetom skyra prisma fit trio triotim tim avanto espree aera vida sola lumina altea "
	"symphony sonata verio spectra terra free cima connectom essenza biograph mct mmr "
	"hirez horizon vision quadra ecat exact hrrt hr somatom definition as flash edge force "
	"drive go now up top all sim plus open emotion sensation spirit scope perspective "
	"confidence volume zoom balance naeotom alpha discovery signa lightspeed "
	"lightspeedverrel lightspeedapps hispeed optima revolution brightspeed genesis excite "
	"hdx hdxt architect premier hero artist voyager explorer pioneer creator brivo advance "
	"vct pet ct mr mrt st ste rx ls iq mi gen ultra xt xtra pro dual infinity echospeed "
	"apex ascend maxima frontier performix cardiographe achieva ingenia elition ambition "
	"intera panorama gyroscan ingenuity gemini vereos guardian body tf lxl dstream "
	"brilliance icct mx incisive spectral cx prodiva evolution aquilion vantage titan "
	"galan orian centurian prime lightning one vision genesis exceed activion asteion "
	"celesteion supria eclos scenaria echelon oval airis elite rhapsode aperto oasis "
	"trillium robusto presto umr uct umi upmr omega swoop pharmascan biospec clinscan icon "
	"wk senographe mammomat selenia dimensions essential ds inspiration microdose lorad "
	"amulet "
	/* versions */
	"syngo numaris version release rel software vb va ve xa vd vc vg vj patch build rev "
	"revision series coreload lx sp ex hd dv rtnc hf ssp mapping beta "
	/* coils and body */
	"head neck headneck body spine torso cardiac breast knee shoulder wrist foot ankle "
	"flex array matrix coil multi sense birdcage quad tcs tx rx ant post anterior "
	"posterior surface large small ch channel channels brain hea hep "
	/* kernels and filters */
	"standard std soft bone boneplus lung detail smooth sharp edge chest ultra plus xyz "
	"gauss gaussian hann hanning hamming butterworth ramp none no filter filtered post "
	"axial radial transaxial mm medium very tissue sinus fc br hr qr bl bf kernel uint "
	"asir mpr "
	/* PET and CT methods */
	"osem mlem mle em fbp dfbp fore awosem nawosem osemtof tof psf psftof vpfx vphd vpfxs "
	"vuehd qcfx qchd hdpet truex ultrahd ramla blob lor line response os op awos "
	"iterations iteration iter iters subset subsets it ss is projection backprojection "
	"filtered back reprojection rp sharpir sharp ir bayesian penalized likelihood "
	"regularized expectation maximization ordered maximum map att attenuation weighted "
	"unif model based simul single scatter scattered convolution subtraction relative "
	"absolute scaling scaled measured calculated corrected correction transmission dlyd "
	"sing delayed singles event events from rate estimation ac nac wac ct mrac ute atlas "
	"helical mode spiral spi som rd seq "
	/* sequences */
	"epfid ep epi epse epir tse tir tfl tfi fl fid fm se fse gre gr spc spcir spcr swi "
	"trufi tru me rm ns rs rr re r ciss psif haste dess medic pc fi svs csi fast ssfse "
	"fspgr spgr bravo efgre fgre fiesta merge lava frfse propeller mprage mp rage mpr tfe "
	"ttfe ffe tffe bffe cube space vista flair stir dwi dti asl pcasl pasl ";

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Is word[0..n), lower-cased, in the list? */
static bool known(const char *word, size_t n)
{
	char key[LONGEST + 3] = " ";
	if (n > LONGEST)
		return false;
	for (size_t i = 0; i < n; i++)
		key[i + 1] = (char)(word[i] | 0x20);
	key[n + 1] = ' ';
	return strstr(makers, key) != NULL;
}

/* Does one chain of numbers joined by . - / or : look like a date? */
static bool date(const char *v, size_t n)
{
	size_t runs = 0, twos = 0, run = 0;
	bool year = false;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && digit(v[i])) {
			run++;
			continue;
		}
		if (run) {
			const char *at = v + i - run;
			runs++;
			twos += run == 2;
			year |= run == 4 &&
				((at[0] == '1' && at[1] == '9') || (at[0] == '2' && at[1] == '0'));
		}
		run = 0;
	}
	return runs == 3 && (year || twos == 3);
}

static bool numbers_allowed(const char *v, size_t n)
{
	size_t run = 0, all = 0;
	for (size_t i = 0; i < n; i++) {
		run = digit(v[i]) ? run + 1 : 0;
		all += digit(v[i]);
		if (run > LONGEST_NUMBER || all > MOST_DIGITS)
			return false;
	}
	for (size_t i = 0; i < n;) {
		size_t len = 0;
		while (i + len < n && v[i + len] &&
		       (digit(v[i + len]) || strchr(".-/:", v[i + len])))
			len++;
		if (len && date(v + i, len))
			return false;
		i += len + !len;
	}
	return true;
}

static bool maker_text(const char *v, size_t n)
{
	if (n > LONGEST || !numbers_allowed(v, n))
		return false;
	for (size_t i = 0; i < n;) {
		size_t len = 0;
		while (i + len < n && letter(v[i + len]))
			len++;
		if (!len) {
			if (!v[i] || (!digit(v[i]) && !strchr(" -_.+*/()&%:;#", v[i])))
				return false;
			i++;
			continue;
		}
		bool touches = (i && digit(v[i - 1])) || (i + len < n && digit(v[i + len]));
		if (!(len == 1 || (len == 2 && touches) || known(v + i, len)))
			return false;
		i += len;
	}
	return true;
}

static bool coded(const char *codes, const char *v, size_t n)
{
	while (*codes) {
		size_t len = strcspn(codes, "|");
		if (len == n && memcmp(codes, v, n) == 0)
			return true;
		codes += len + (codes[len] == '|');
	}
	return false;
}

bool sm_words_allow(enum sm_words kind, const char *codes, const char *value, size_t n)
{
	if (!n)
		return false;
	return kind == SM_WORDS_CODES ? coded(codes, value, n) : maker_text(value, n);
}
