/* libfabric has most of its functions inline in its headers, where no linker finds them. These are
   the ones that notrace calls, under names that a linker does find. */

#include <stddef.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

/* `struct fi_eq_cm_entry`, with room for what is told of a connection. */
struct inline_cm_entry {
    struct fid *fid;
    struct fi_info *info;
    uint8_t data[256];
};

int inline_fi_close(struct fid *fid);
int inline_fi_control(struct fid *fid, int command, void *arg);
int inline_fi_trywait(struct fid_fabric *fabric, struct fid **fids, int count);
int inline_fi_domain(struct fid_fabric *fabric, struct fi_info *info, struct fid_domain **domain,
                     void *context);
int inline_fi_av_open(struct fid_domain *domain, struct fi_av_attr *attr, struct fid_av **av,
                      void *context);
int inline_fi_av_insert(struct fid_av *av, const void *addr, size_t count, fi_addr_t *fi_addr,
                        uint64_t flags, void *context);
int inline_fi_av_remove(struct fid_av *av, fi_addr_t *fi_addr, size_t count, uint64_t flags);
int inline_fi_cq_open(struct fid_domain *domain, struct fi_cq_attr *attr, struct fid_cq **cq,
                      void *context);
ssize_t inline_fi_cq_read(struct fid_cq *cq, void *buf, size_t count);
ssize_t inline_fi_cq_readerr(struct fid_cq *cq, struct fi_cq_err_entry *buf, uint64_t flags);
int inline_fi_eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr, struct fid_eq **eq,
                      void *context);
ssize_t inline_fi_eq_read(struct fid_eq *eq, uint32_t *event,
                          struct inline_cm_entry *entry);
ssize_t inline_fi_eq_readerr(struct fid_eq *eq, struct fi_eq_err_entry *buf, uint64_t flags);
int inline_fi_passive_ep(struct fid_fabric *fabric, struct fi_info *info, struct fid_pep **pep,
                         void *context);
int inline_fi_pep_bind(struct fid_pep *pep, struct fid *other, uint64_t flags);
int inline_fi_listen(struct fid_pep *pep);
int inline_fi_connect(struct fid_ep *ep, const void *addr, const void *param, size_t paramlen);
int inline_fi_accept(struct fid_ep *ep, const void *param, size_t paramlen);
int inline_fi_reject(struct fid_pep *pep, struct fid *handle, const void *param, size_t paramlen);
int inline_fi_endpoint(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep,
                       void *context);
int inline_fi_ep_bind(struct fid_ep *ep, struct fid *other, uint64_t flags);
int inline_fi_enable(struct fid_ep *ep);
int inline_fi_getname(struct fid *fid, void *addr, size_t *addrlen);
int inline_fi_mr_reg(struct fid_domain *domain, const void *buf, size_t len, uint64_t access,
                     uint64_t offset, uint64_t requested_key, uint64_t flags, struct fid_mr **mr,
                     void *context);
uint64_t inline_fi_mr_key(struct fid_mr *mr);
void *inline_fi_mr_desc(struct fid_mr *mr);
ssize_t inline_fi_write(struct fid_ep *ep, const void *buf, size_t len, void *desc,
                        fi_addr_t dest_addr, uint64_t addr, uint64_t key, void *context);
ssize_t inline_fi_writedata(struct fid_ep *ep, const void *buf, size_t len, void *desc,
                            uint64_t data, fi_addr_t dest_addr, uint64_t addr, uint64_t key,
                            void *context);
ssize_t inline_fi_inject(struct fid_ep *ep, const void *buf, size_t len, fi_addr_t dest_addr);
ssize_t inline_fi_recv(struct fid_ep *ep, void *buf, size_t len, void *desc, fi_addr_t src_addr,
                       void *context);
